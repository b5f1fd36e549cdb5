import type { LockHolder } from "../../server/schema.ts";
import { type Command, embeddedOption, flag } from "../command.ts";
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
      const { migrate } = await import("../../server/schema.ts");
      const onWait = (holders: readonly LockHolder[]) =>
        void io.stderr.write(`waiting for locks held by ${holders.map(holderText).join(", ")}\n`);
      return { schemaVersion: await tellDatabaseFaults(() => migrate(databaseUrl, { onWait }), options) };
    });
  },
};

function holderText({ pid, role, application }: LockHolder): string {
  if (pid === 0) return "a prepared transaction";
  // The names are chosen by other roles, so they are escaped.
  const [ofRole, ofApplication] = [role, application].map((name) => JSON.stringify(name ?? "unknown"));
  return `process ${pid} (role ${ofRole}, application ${ofApplication})`;
}
