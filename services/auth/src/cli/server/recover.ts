import { type Command, embeddedOption, flag } from "../command.ts";
import { cliActor } from "./cli-caller.ts";
import { withStores } from "./with-stores.ts";

/** After a restore of the database: revokes everything that was ever issued, also in histories that the database has lost. */
export const recover: Command = {
  path: ["recover"],
  summary: "After a restore of the database: revoke everything that was issued before",
  usage: "[--embedded]",
  options: embeddedOption,
  run(args, io) {
    return withStores(io, { embedded: flag(args, "embedded") }, async ({ revocations, newId }) => {
      const { seq } = await revocations.recover(cliActor(newId));
      io.stderr.write(
        "keys are as old as the backup too: `postern key list`, and taint what was tainted since\n",
      );
      return { sequence: seq };
    });
  },
};
