import { type Command, embeddedOption, flag } from "./command.ts";
import { tellDatabaseFaults, withDatabase } from "./with-context.ts";

/** Applies migrations, and prints the version that the schema then has. */
export const migrateCommand: Command = {
  path: ["migrate"],
  summary: "Bring the database's schema up to date",
  usage: "[--embedded]",
  options: embeddedOption,
  run(args, io) {
    const options = { embedded: flag(args, "embedded") };
    return withDatabase(io, options, async ({ databaseUrl }) => {
      const { migrate } = await import("../../store/postgres/migrate.ts");
      return { schemaVersion: await tellDatabaseFaults(() => migrate(databaseUrl), options) };
    });
  },
};
