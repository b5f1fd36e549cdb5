/** What commands need of the database apart from the stores: its schema, and what is wrong with it. */
export { describeFault, innermost, lastingFault } from "../store/postgres/connection-faults.ts";
export type { LockHolder } from "../store/postgres/lock-watch.ts";
export { checkSchema, migrate } from "../store/postgres/migrate.ts";
export { SchemaError, UnknownSchemaError } from "../store/postgres/schema-error.ts";
