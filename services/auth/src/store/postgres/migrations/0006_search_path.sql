-- Objects and locks of other roles must not affect Postern.

-- Rows for `for update skip locked`: one replica at a time does each kind of work. Unlike an advisory lock, only a role with
-- rights in this schema can lock them.
create table postern.locks (
  name text primary key
);
insert into postern.locks (name) values ('cleaning'), ('purge_audit');

-- As before, but for the lock.
create or replace function postern.clean(
  p_table text, p_limit integer, p_from timestamptz, out cleaned integer, out up_to timestamptz
) language plpgsql set lock_timeout = '200ms'
as $$
declare
  v_column text;
  v_kept interval;
begin
  perform from postern.locks where name = 'cleaning' for update skip locked;
  if not found then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  case p_table
    -- Until its end a session's row is what tells a token that was spent; for a day after, what became of it.
    when 'sessions' then v_column := 'expires_at'; v_kept := '1 day';
    -- A replica that is so far behind finds a gap, and loads the log anew. An hour, since a clock may
    -- have been ahead.
    when 'revocations' then v_column := 'forget_after'; v_kept := '1 hour';
    -- Logins ask for those of the last 90 days.
    when 'user_addresses' then v_column := 'last_login_at'; v_kept := '180 days';
  end case;
  execute format(
    'with gone as (
       delete from postern.%1$I where ctid = any (array(
         select ctid from postern.%1$I where %2$I >= $1 and %2$I < $2 order by %2$I limit $3
         for update skip locked))
       returning %2$I as at)
     select count(*), max(at) from gone', p_table, v_column)
  into cleaned, up_to
  using coalesce(p_from, '-infinity'), postern.now() - v_kept, p_limit;
end
$$;

-- As before, but for the lock.
create or replace function postern.purge_audit(p_before timestamptz, p_limit integer) returns integer
language plpgsql security definer set lock_timeout = '200ms'
as $$
declare
  v_before timestamptz := least(p_before, postern.now() - interval '30 days');
  v_count integer;
begin
  perform from postern.locks where name = 'purge_audit' for update skip locked;
  if not found then
    return null;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  -- Not in a clause of the function: there, a parameter that Postgres does not know requires a superuser.
  perform set_config('postern.purging', 'on', true);
  delete from postern.audit where id = any (array(
    select id from postern.audit
    where id < postern.first_id(v_before + interval '1 second') and at < v_before
    order by id limit least(p_limit, 1000)));
  get diagnostics v_count = row_count;
  perform set_config('postern.purging', 'off', true);
  return v_count;
end
$$;

-- As before, but the lock of the log's head, taken after the user's, serializes servers that start together.
create or replace function postern.create_first_admin(
  p_id uuid, p_email text, p_email_key text, p_username text, p_username_key text, p_roles text[],
  p_hash text, p_caller text, p_request_id text
) returns text language plpgsql set lock_timeout = '500ms'
as $$
begin
  if exists (select from postern.users where 'admin' = any (roles)) then
    return 'exists';
  end if;
  insert into postern.users
    (id, email, email_key, username, username_key, roles, password_hash, created_at, updated_at)
  values (p_id, p_email, p_email_key, p_username, p_username_key, p_roles, p_hash, postern.now(),
          postern.now())
  on conflict do nothing;
  if not found then
    -- By another server, perhaps, which this one has just waited for.
    return case when exists (select from postern.users where 'admin' = any (roles)) then 'exists' else 'taken' end;
  end if;
  perform from postern.revocation_head for update;
  if exists (select from postern.users where 'admin' = any (roles) and id <> p_id) then
    delete from postern.users where id = p_id;
    return 'exists';
  end if;
  perform postern.note('user_created', p_caller, p_request_id, p_id, null, null, '{"first": true}');
  return 'created';
end
$$;

-- Changes of keys, as before, but the lock of the log's head serializes them. They take it first, and after it only locks
-- of rows of keys.

create or replace function postern.add_first_key(
  p_id uuid, p_purpose text, p_alg text, p_public_jwk jsonb, p_sealed bytea, p_caller text, p_request_id text
) returns void language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at, activated_at)
  values (p_id, p_purpose, p_alg, 'active', p_public_jwk, p_sealed, postern.now(), postern.now())
  on conflict (purpose) where state = 'active' do nothing
  returning * into v_key;
  if found then
    perform postern.keys_changed('key_activated', v_key, p_caller, p_request_id);
  end if;
end
$$;

create or replace function postern.prepare_key(
  p_id uuid, p_purpose text, p_alg text, p_public_jwk jsonb, p_sealed bytea, p_unless_prepared boolean,
  p_limit integer, p_caller text, p_request_id text
) returns text language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  if p_unless_prepared and exists (
    select from postern.keys where purpose = p_purpose and alg = p_alg and state = 'prepared'
  ) then
    return 'already';
  elsif (select count(*) from postern.keys where purpose = p_purpose and state <> 'removed') >= p_limit then
    return 'too_many';
  end if;
  -- What is left of removed keys says no more than the audit does.
  delete from postern.keys where state = 'removed' and removed_at < postern.now() - interval '400 days';
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at)
  values (p_id, p_purpose, p_alg, 'prepared', p_public_jwk, p_sealed, postern.now())
  returning * into v_key;
  perform postern.keys_changed('key_prepared', v_key, p_caller, p_request_id);
  return 'prepared';
end
$$;

create or replace function postern.activate_key(
  p_id uuid, p_lead interval, p_instead_of uuid, p_caller text, p_request_id text
) returns text language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  select * into v_key from postern.keys where id = p_id;
  if not found then
    return 'unknown';
  elsif v_key.state <> 'prepared' then
    return 'not_prepared';
  elsif p_instead_of is not null and not exists (
    select from postern.keys where id = p_instead_of and purpose = v_key.purpose and state = 'active'
  ) then
    return 'overtaken';
  elsif v_key.purpose = 'signing' and v_key.created_at > postern.now() - p_lead then
    return 'too_young';
  end if;
  perform postern.put_in_force(p_id, p_caller, p_request_id);
  return 'activated';
end
$$;

create or replace function postern.taint_key(
  p_id uuid, p_caller text, p_request_id text, out outcome text, out seq bigint
) language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
  v_next uuid;
begin
  select h.seq into strict seq from postern.revocation_head h for update;
  select * into v_key from postern.keys where id = p_id;
  if not found then
    outcome := 'unknown';
    return;
  elsif v_key.state in ('tainted', 'removed') then
    outcome := 'already';
    return;
  end if;
  select id into v_next from postern.keys where purpose = v_key.purpose and state = 'prepared' and id <> p_id
  order by created_at, number limit 1;
  if v_key.state = 'active' and v_next is null then
    outcome := 'no_successor';
    return;
  end if;
  update postern.keys set state = 'tainted', retired_at = coalesce(retired_at, postern.now()) where id = p_id;
  perform postern.keys_changed('key_tainted', v_key, p_caller, p_request_id);
  if v_key.state = 'active' then
    perform postern.put_in_force(v_next, p_caller, p_request_id);
  end if;
  outcome := 'tainted';
  seq := case v_key.purpose
    when 'signing' then postern.append_revocation('key', p_id)
    else postern.revoke_everything(p_caller, p_request_id)
  end;
end
$$;

create or replace function postern.remove_key(p_id uuid, p_kept_for interval, p_caller text, p_request_id text) returns text
language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  select * into v_key from postern.keys where id = p_id;
  if not found then
    return 'unknown';
  elsif v_key.state = 'removed' then
    return 'already';
  elsif v_key.state = 'active' then
    return 'active';
  elsif v_key.state = 'retired' and v_key.retired_at > postern.now() - p_kept_for then
    return 'needed';
  end if;
  update postern.keys set state = 'removed', removed_at = postern.now(), sealed = null where id = p_id;
  perform postern.keys_changed('key_removed', v_key, p_caller, p_request_id);
  return 'removed';
end
$$;

create or replace function postern.reseal_key(
  p_id uuid, p_from bytea, p_to bytea, p_caller text, p_request_id text
) returns boolean language plpgsql set lock_timeout = '500ms'
as $$
begin
  perform from postern.revocation_head for update;
  update postern.keys set sealed = p_to where id = p_id and sealed = p_from;
  if not found then
    return false;
  end if;
  perform postern.note('key_resealed', p_caller, p_request_id, null, null, null, jsonb_build_object('key', p_id));
  -- A server may have it that could not open it before.
  update postern.revocation_head set keys_version = postern.new_id();
  return true;
end
$$;

-- Small functions that every call needs, as before but in PL/pgSQL. Postgres does not inline a function with its own
-- `search_path`. It would then plan an SQL function again for every statement; it plans a PL/pgSQL function once per
-- connection.

create or replace function postern.now() returns timestamptz language plpgsql volatile
as $$
begin
  return clock_timestamp();
end
$$;

create or replace function postern.new_id() returns uuid language plpgsql volatile
as $$
begin
  return encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from postern.now()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid;
end
$$;

create or replace function postern.note_id(p_at timestamptz) returns uuid language plpgsql volatile
as $$
declare
  v_us bigint := (extract(epoch from p_at) * 1000000)::bigint;
begin
  return (lpad(to_hex(v_us / 1000), 12, '0') || '7' || lpad(to_hex(v_us % 1000 * 4096 / 1000), 3, '0')
          || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid;
end
$$;

create or replace function postern.note(
  p_event text, p_caller text, p_request_id text, p_user_id uuid, p_session_id uuid, p_client_id text,
  p_detail jsonb default '{}', p_client_address text default null
) returns void language plpgsql security definer
as $$
declare
  v_now timestamptz := postern.now();
begin
  insert into postern.audit
    (id, at, event, caller, request_id, user_id, session_id, client_id, detail, client_address)
  values (postern.note_id(v_now), v_now, p_event, p_caller, p_request_id, p_user_id, p_session_id, p_client_id,
          p_detail, p_client_address);
end
$$;

create or replace function postern.min_rev(p_user postern.users, p_client_id text) returns bigint
language plpgsql stable
as $$
begin
  return greatest(
    p_user.min_rev,
    coalesce((select m.min_rev from postern.client_marks m where m.client_id = p_client_id), 0),
    (select h.everything_rev from postern.revocation_head h));
end
$$;

create or replace function postern.to_grant(
  p_session postern.sessions, p_roles text[], p_idle interval, p_now timestamptz
) returns postern.grant_row language plpgsql stable
as $$
begin
  return row(
    p_session.id, p_session.user_id, p_session.client_id, p_session.audience, p_session.scope, p_roles,
    p_session.amr, p_session.created_at, p_session.rev, p_session.refresh_key, p_session.generation,
    least(p_session.expires_at, p_session.last_used_at + p_idle), p_now,
    (select h.keys_version from postern.revocation_head h))::postern.grant_row;
end
$$;

-- Every function finds only Postgres's own functions, operators and types, whatever the caller's `search_path`. A later
-- migration that replaces a function must set this again.
do $$
declare
  v_function regprocedure;
begin
  for v_function in select oid from pg_proc where pronamespace = 'postern'::regnamespace loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', v_function);
  end loop;
end
$$;
