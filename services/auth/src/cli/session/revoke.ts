import { type RevokeTarget, revoke } from "../../domain/revocation/revoke.ts";
import type { ReadyConfig } from "../../server/embedded-config.ts";
import type { Stores } from "../../server/stores.ts";
import { type Args, type Command, embeddedOption, flag, textOption, UsageError } from "../command.ts";
import type { Io } from "../io.ts";
import { lazyKeyRing } from "../key/lazy-key-ring.ts";
import { readSecretFile } from "../options/secret-file.ts";
import { parseSessionId } from "../options/session-id.ts";
import { findUser, guessKey } from "../options/user-key.ts";
import { cliCaller } from "../server/cli-caller.ts";
import { withStores } from "../server/with-stores.ts";

const targets = ["session", "user", "client", "everything", "token-file"] as const;
/** The longest access token, in bytes. */
const longestToken = 8_192;

/** Ends tokens and sessions, as the RPC does. */
export const revokeCommand: Command = {
  path: ["revoke"],
  summary: "Revoke a session, all sessions of a user, of a client or of all users, or a token",
  usage: "(--session ID | --user USER | --client ID | --token-file PATH | --everything --yes) [--embedded]",
  options: {
    session: { type: "string", value: "ID", help: "this session (`ses_…`) with its tokens" },
    user: { type: "string", value: "USER", help: "all sessions of this user, by ID, e-mail address or name" },
    client: { type: "string", value: "ID", help: "all sessions of this client" },
    "token-file": {
      type: "string",
      value: "PATH",
      help: "the token in this file, `-` for stdin: an access token, or the session of a refresh token",
    },
    everything: { type: "boolean", help: "all sessions: every user has to log in again" },
    yes: { type: "boolean", help: "required with --everything" },
    ...embeddedOption,
  },
  async run(args, io) {
    const find = await parseTarget(args, io);
    return withStores(io, { embedded: flag(args, "embedded") }, async (stores, config) =>
      revokeAndShow(stores, config, io, await find(stores)),
    );
  },
};

/** Reports on stderr if there was nothing to revoke, which can mean a wrong ID. */
export async function revokeAndShow(stores: Stores, config: ReadyConfig, io: Io, target: RevokeTarget) {
  const deps = { ...stores, keyRing: lazyKeyRing(stores, config) };
  const { outcome, seq } = await revoke(deps, { caller: cliCaller, target, requestId: stores.newId() });
  if (outcome === "already")
    io.stderr.write("there was nothing to revoke: unknown, ended, or revoked before\n");
  return { outcome, sequence: seq };
}

/** @throws {UsageError} unless exactly one target is named; {CommandError} if a token cannot be read */
async function parseTarget(args: Args, io: Io): Promise<(stores: Stores) => Promise<RevokeTarget>> {
  const [name, ...more] = targets.filter((one) => args.values[one] !== undefined);
  if (name === undefined || more.length > 0) {
    throw new UsageError(`name one of ${targets.map((one) => `--${one}`).join(", ")}`);
  }
  const text = textOption(args, name) ?? "";
  switch (name) {
    case "session": {
      const sessionId = parseSessionId(text);
      return async () => ({ kind: "session", sessionId });
    }
    case "user": {
      const key = guessKey(text);
      return async ({ users }) => ({ kind: "user", userId: (await findUser(users, key)).id });
    }
    case "client":
      if (!/^[!-~]{1,128}$/.test(text)) {
        throw new UsageError("a client's ID is 1 to 128 characters of ASCII without spaces");
      }
      return async () => ({ kind: "client", clientId: text });
    case "everything":
      if (!flag(args, "yes")) throw new UsageError("every user has to log in again: add --yes");
      return async () => ({ kind: "everything" });
    case "token-file": {
      const token = await readSecretFile(io, text, { what: "token", longestBytes: longestToken });
      return async () => ({ kind: "token", token });
    }
  }
}
