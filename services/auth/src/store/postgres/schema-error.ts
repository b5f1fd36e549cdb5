/** The schema is older than this version needs. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/** The schema has a migration that no release had under its number. No migration leads from there to this version. */
export class UnknownSchemaError extends Error {
  override readonly name = "UnknownSchemaError";
}
