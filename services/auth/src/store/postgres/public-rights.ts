import { queryPinned } from "./pinned.ts";
import { withConnection } from "./single-connection.ts";

/** Rights of every role of the cluster. Postern's database is safer without them. */
export interface PublicRights {
  readonly database: string;
  /** May connect to the database. */
  readonly connect: boolean;
  /** May create objects in the schema `public`. In the sessions of other roles these could replace objects of Postgres. */
  readonly create: boolean;
}

/** @throws as `withConnection` */
export function readPublicRights(url: string, signal?: AbortSignal): Promise<PublicRights> {
  return withConnection({ url, name: "postern", signal }, async (client) => {
    const [rights] = await queryPinned<PublicRights & Record<string, unknown>>(client, {
      sql: `select current_database() as database,
        has_database_privilege('public', current_database(), 'connect') as connect,
        exists (select from pg_namespace where nspname = 'public'
          and has_schema_privilege('public', oid, 'create')) as create`,
      values: [],
      readsOnly: true,
    });
    if (rights === undefined) throw new Error("the query for the rights of all roles returned no row");
    return rights;
  });
}
