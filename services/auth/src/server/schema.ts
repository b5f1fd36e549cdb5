/** What commands need from the database apart from the stores: checks of its schema, and advice on its errors. */
export { describeFault, innermost, lastingFault } from "../store/postgres/connection-faults.ts";
export type { LockHolder } from "../store/postgres/lock-watch.ts";
export { checkSchema, migrate } from "../store/postgres/migrate.ts";
export { SchemaError, UnknownSchemaError } from "../store/postgres/schema-error.ts";
