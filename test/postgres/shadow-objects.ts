import { readdir, readFile } from "node:fs/promises";
import { withClient } from "../support/postgres/database.ts";
import { rowsAsSuperuser } from "../support/postgres/roles.ts";

const store = `${import.meta.dirname}/../../services/auth/src/store/postgres`;

/** Every word of Postern's SQL. They include the functions and types that it uses. */
async function wordsOfSql(): Promise<string[]> {
  const names = await readdir(store, { recursive: true });
  const texts = await Promise.all(
    names.filter((name) => /\.(sql|ts)$/.test(name)).map((name) => readFile(`${store}/${name}`, "utf8")),
  );
  return [...new Set(texts.flatMap((text) => text.match(/[a-z_][a-z0-9_]*/g) ?? []))];
}

/** Records its run in a sequence, which no rollback undoes, and then fails. */
const body = `$trap$ begin perform pg_catalog.nextval('public.trap'::pg_catalog.regclass);
  raise exception 'a trap ran'; end $trap$`;

/** Has the arguments of the function in pg_catalog, so it is used if the path names its schema before pg_catalog. */
const sameAsPostgres = `
  for v in
    select proname as name, pg_get_function_identity_arguments(oid) as args, pg_get_function_result(oid) as result
    from pg_proc where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and proname = any (v_words)
  loop
    call pg_temp.attempt(format('create function %I.%I(%s) returns %s language plpgsql as %L',
      v_schema, v.name, v.args, v.result, v_body));
  end loop;
  for v in
    select o.oprname as name, format_type(oprleft, null) as l, format_type(oprright, null) as r,
      format_type(oprresult, null) as result
    from pg_operator o where oprleft <> 0 and oprname = any (v_operators)
      and oprleft = any (v_types) and oprright = any (v_types)
  loop
    call pg_temp.trap_operator(v_schema, v.name, v.l, v.r, v.result, v_body);
  end loop;`;

/** Has arguments that match better than those of pg_catalog, so it is used with the default path. */
const betterThanPostgres = `
  foreach v_args in array array['text, text[]', 'text, text', 'text, uuid', 'text, int, text, int',
    'text, uuid, text, text, text, text', 'text, text[], text, text[]', 'text, bigint, text, uuid'] loop
    call pg_temp.attempt(format('create function %I.jsonb_build_object(%s) returns jsonb language plpgsql as %L',
      v_schema, v_args, v_body));
  end loop;
  for v in
    select o as name, format_type(l, null) as l, format_type(r, null) as r,
      case when o in ('=', '<>', '<', '>', '<=', '>=', '<@', '@>') then 'boolean' else 'text' end as result
    from unnest(v_operators) o, unnest(v_types) l, unnest(v_types) r
  loop
    call pg_temp.trap_operator(v_schema, v.name, v.l, v.r, v.result, v_body);
  end loop;`;

const others = `
  call pg_temp.attempt(format('create function %I.trap_now() returns boolean language plpgsql as %L', v_schema, v_body));
  call pg_temp.attempt(format('create function %I.trap_int(int, int) returns int language plpgsql as %L', v_schema, v_body));
  call pg_temp.attempt(format('create function %I.trap_bigint(bigint) returns bigint language plpgsql as %L', v_schema, v_body));
  call pg_temp.attempt(format('create aggregate %1$I.max(int) (sfunc = %1$I.trap_int, stype = int)', v_schema));
  call pg_temp.attempt(format(
    'create aggregate %1$I.count(*) (sfunc = %1$I.trap_bigint, stype = bigint, initcond = ''0'')', v_schema));
  foreach v_name in array array['pg_proc', 'pg_class', 'pg_namespace', 'pg_database', 'pg_settings', 'pg_stat_activity'] loop
    call pg_temp.attempt(format('create view %1$I.%2$I as select * from pg_catalog.%2$I where %1$I.trap_now()', v_schema, v_name));
  end loop;
  foreach v_name in array array['users', 'sessions', 'keys', 'audit', 'revocations', 'revocation_head', 'migrations'] loop
    call pg_temp.attempt(format('create table %I.%I (id int)', v_schema, v_name));
  end loop;
  foreach v_name in array array['text', 'uuid', 'timestamptz', 'jsonb', 'bytea', 'int4', 'int8', 'regproc',
    'regprocedure', 'regnamespace', 'regclass', 'name', 'oid'] loop
    call pg_temp.attempt(format('create domain %1$I.%2$I as pg_catalog.text check (%1$I.trap_now())', v_schema, v_name));
  end loop;`;

const helpers = `
create procedure pg_temp.attempt(p_sql text) language plpgsql as $$
begin
  execute p_sql;
exception when others then
  -- Not every function can be shadowed in PL/pgSQL.
  null;
end $$;
create procedure pg_temp.trap_operator(p_schema text, p_name text, p_l text, p_r text, p_result text, p_body text)
language plpgsql as $$
begin
  -- Most are there already: one function serves several operators, and all are planted twice.
  if to_regoperator(format('%I.%s(%s,%s)', p_schema, p_name, p_l, p_r)) is not null then return; end if;
  if to_regprocedure(format('%I.trap_%s(%s,%s)', p_schema, md5(p_result), p_l, p_r)) is null then
    execute format('create function %I.trap_%s(%s, %s) returns %s language plpgsql as %L',
      p_schema, md5(p_result), p_l, p_r, p_result, p_body);
  end if;
  execute format('create operator %1$I.%2$s (function = %1$I.trap_%5$s, leftarg = %3$s, rightarg = %4$s)',
    p_schema, p_name, p_l, p_r, md5(p_result));
exception when others then
  null;
end $$;`;

/** The schemas in which another role may create objects. */
export interface Shadows {
  readonly databaseUrl: string;
  /** The URL of the role that creates them. */
  readonly attackerUrl: string;
  readonly schemas: readonly string[];
}

/**
 * Creates, as the other role, objects that could be used in place of those of Postgres or Postern. Skips those that already
 * exist.
 * @returns how many functions and operators there are
 */
export async function plantShadows({ databaseUrl, attackerUrl, schemas }: Shadows): Promise<number> {
  const words = await wordsOfSql();
  const quoted = (texts: readonly string[]) => `array[${texts.map((text) => `'${text}'`).join(", ")}]`;
  await withClient(attackerUrl, async (client) => {
    await client.query("set search_path = pg_catalog; set client_min_messages = error");
    await client.query(
      "create sequence if not exists public.trap; grant usage on sequence public.trap to public",
    );
    await client.query(helpers);
    for (const schema of schemas) {
      await client.query(`do $do$
        declare
          v record; v_args text; v_name text; v_schema text := '${schema}'; v_body text := ${body};
          v_words text[] := ${quoted(words)};
          v_operators text[] := array['=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '*', '/', '%', '->>', '<@'];
          v_types oid[] := array['text'::regtype, 'text[]'::regtype, 'integer'::regtype, 'bigint'::regtype,
            'numeric'::regtype, 'uuid'::regtype, 'timestamptz'::regtype, 'interval'::regtype, 'jsonb'::regtype,
            'name'::regtype, 'oid'::regtype];
        begin ${sameAsPostgres} ${betterThanPostgres} ${others} end $do$`);
    }
  });
  const [row] = await rowsAsSuperuser(
    databaseUrl,
    `select (select count(*) from pg_proc where pronamespace = any (s.ids))
       + (select count(*) from pg_operator where oprnamespace = any (s.ids)) as count
     from (select array_agg(oid) as ids from pg_namespace where nspname = any ($1)) s`,
    [schemas],
  );
  return Number(row?.["count"]);
}

/** Whether any of them has run. */
export async function hasRun(databaseUrl: string): Promise<boolean> {
  const [row] = await rowsAsSuperuser(databaseUrl, "select is_called from public.trap");
  return row?.["is_called"] === true;
}
