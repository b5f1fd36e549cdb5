import { expect, test } from "vitest";
import { SchemaError, UnknownSchemaError } from "../../server/schema.ts";
import { reportDatabaseFaults } from "./with-stores.ts";

const faultOf = (error: Error, embedded: boolean) =>
  reportDatabaseFaults(() => Promise.reject(error), { embedded });

test.each([
  [false, "POSTERN_DATABASE_URL"],
  [true, "POSTERN_DATA_DIR"],
])(
  "a schema of an unknown version ends a command with exit code 2 (embedded: %s)",
  async (embedded, setting) => {
    const message = "create a new database";
    await expect(faultOf(new UnknownSchemaError(message), embedded)).rejects.toMatchObject({
      name: "ConfigError",
      faults: [{ setting, message }],
    });
  },
);

test.each([
  [false, "run `postern migrate`"],
  [true, "run `postern migrate --embedded`"],
])("a schema that is too old ends it with exit code 1 (embedded: %s)", async (embedded, message) => {
  const error = new SchemaError("run `postern migrate`");
  await expect(faultOf(error, embedded)).rejects.toMatchObject({ name: "CommandError", message });
});
