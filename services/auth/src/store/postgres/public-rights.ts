import { queryPinned } from "./pinned.ts";
import { withConnection } from "./single-connection.ts";

/** Rights that every role of the cluster has and that Postern's database is safer without. */
export interface PublicRights {
  readonly database: string;
  /** May connect to the database. */
  readonly connect: boolean;
  /** May make objects in the schema `public`: they could pass for Postgres's own in the sessions of others. */
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
    if (rights === undefined) throw new Error("a database has no name");
    return rights;
  });
}
