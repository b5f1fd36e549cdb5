import type { LockHolder } from "../../server/schema.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
import { reportDatabaseFaults, withDatabase } from "./with-stores.ts";

/** Applies migrations, and prints the new version of the schema. */
export const migrateCommand: Command = {
  path: ["migrate"],
  summary: "Migrate the database's schema to this version",
  usage: "[--embedded]",
  options: embeddedOption,
  run(args, io) {
    const options = { embedded: flag(args, "embedded") };
    return withDatabase(io, options, async ({ databaseUrl }) => {
      const { migrate } = await import("../../server/schema.ts");
      const onWait = (holders: readonly LockHolder[]) =>
        void io.stderr.write(`waiting for locks held by ${holders.map(holderText).join(", ")}\n`);
      return { schemaVersion: await reportDatabaseFaults(() => migrate(databaseUrl, { onWait }), options) };
    });
  },
};

function holderText({ pid, role, application }: LockHolder): string {
  if (pid === 0) return "a prepared transaction";
  // Other roles choose the names, so they are escaped.
  const [ofRole, ofApplication] = [role, application].map((name) => JSON.stringify(name ?? "unknown"));
  return `process ${pid} (role ${ofRole}, application ${ofApplication})`;
}
