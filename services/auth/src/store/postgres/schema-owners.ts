/** Runs a statement within the current transaction. */
export type Query = <Row extends Record<string, unknown>>(sql: string) => Promise<Row[]>;

/** The schema `postern`, or an object in it, belongs to a role that could use it to run its own code as Postern's role. */
export class SchemaOwnerError extends Error {
  override readonly name = "SchemaOwnerError";
}

/**
 * Owners of the schema and its objects, except the trusted ones: the current role, the database's owner, and superusers.
 * A role that can create schemas can create this one before the first start, with its own functions in it. Membership in
 * the owning role proves nothing: before Postgres 16, any role can make another role its member.
 */
const untrusted = `
  with schema as (
    select n.oid, n.nspowner as owner from pg_namespace n where n.nspname = 'postern'
  ), owners as (
    select owner, true as of_schema from schema
    union all select c.relowner, false from pg_class c join schema s on s.oid = c.relnamespace
    union all select p.proowner, false from pg_proc p join schema s on s.oid = p.pronamespace
    union all select t.typowner, false from pg_type t join schema s on s.oid = t.typnamespace
    union all select o.oprowner, false from pg_operator o join schema s on s.oid = o.oprnamespace
  )
  select o.owner = s.owner as of_schema, r.rolname::text as role,
    has_database_privilege(o.owner, current_database(), 'create') as can_create
  from owners o cross join schema s join pg_roles r on r.oid = o.owner
  where r.rolname <> current_user and not r.rolsuper
    and o.owner <> (select datdba from pg_database where datname = current_database())
  group by o.owner, s.owner, r.rolname
  order by 1 desc, 2`;

/**
 * Checks the catalogs only: reading a table of the schema could run code of its owner.
 * @param servesFor whether a role other than the current one may own the schema, as with two roles. It must not be able
 * to create schemas in the database, because then it may have created this one.
 * @throws {SchemaOwnerError}
 */
export async function demandTrustedOwners(query: Query, servesFor: "owner" | "another"): Promise<void> {
  const found = await query<{ of_schema: boolean; role: string; can_create: boolean }>(untrusted);
  for (const { of_schema, role, can_create } of found) {
    // The name is chosen by another role, so it is escaped.
    const name = JSON.stringify(role);
    if (!of_schema)
      throw new SchemaOwnerError(`the schema \`postern\` has objects of the role ${name}: ${advice}`);
    if (servesFor === "owner")
      throw new SchemaOwnerError(`the schema \`postern\` belongs to another role, ${name}: ${advice}`);
    if (can_create)
      throw new SchemaOwnerError(
        `the schema \`postern\` belongs to another role, ${name}, which can create schemas: if it is Postern's owner, make it the database's owner or revoke CREATE on the database from it; otherwise ${advice}`,
      );
  }
}

const advice = "drop the schema if you did not create it, see docs/operate/postgres.md";
