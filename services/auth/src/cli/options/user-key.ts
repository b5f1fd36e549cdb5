import { AuthError } from "../../domain/errors.ts";
import type { User, UserStore } from "../../domain/ports/user-store.ts";
import { type GetUserInput, getUser } from "../../domain/user/get-user.ts";
import { dropBlanks } from "../../lib/blanks.ts";
import { parseId } from "../../lib/type-id.ts";
import { type Args, type Option, textOption, UsageError } from "../command.ts";
import { cliCaller } from "../server/cli-caller.ts";

/** How a command names a user: by one of these options, or by one argument of any of these kinds. */
export const userKeyOptions = {
  id: { type: "string", value: "ID", help: "the user's ID (`usr_…`)" },
  email: { type: "string", value: "E", help: "the user's e-mail address" },
  username: { type: "string", value: "N", help: "the user's name" },
} as const satisfies Readonly<Record<string, Option>>;

/** For the usage line. */
export const userKeyUsage = "(--id ID | --email E | --username N | USER)";

/** @throws {UsageError} unless exactly one user is named */
export function parseUserKey(args: Args): GetUserInput["key"] {
  const [id, email, username] = ["id", "email", "username"].map((name) => textOption(args, name));
  const [positional] = args.positionals;
  const given = [id, email, username, positional].filter((text) => text !== undefined);
  if (given.length !== 1) throw new UsageError("name one user, by --id, --email, --username or one argument");
  if (id !== undefined) return { id: parseUserId(id) };
  if (email !== undefined) return { email };
  if (username !== undefined) return { username };
  return guessKey(positional ?? "");
}

/**
 * No user name looks like an ID or has an `@`.
 * @throws {UsageError} if it begins like an ID and is not an ID
 */
export function guessKey(text: string): GetUserInput["key"] {
  if (dropBlanks(text).startsWith("usr_")) return { id: parseUserId(text) };
  return text.includes("@") ? { email: text } : { username: text };
}

function parseUserId(text: string): string {
  const id = parseId("usr", dropBlanks(text));
  if (id === undefined)
    throw new UsageError("an ID is `usr_` and 26 characters: `postern user list` shows them");
  return id;
}

/** @throws {AuthError} `NOT_FOUND`, with a hint where to look */
export async function findUser(users: Pick<UserStore, "find">, key: GetUserInput["key"]): Promise<User> {
  try {
    return await getUser({ users }, { caller: cliCaller, key });
  } catch (error) {
    if (!(error instanceof AuthError) || error.reason !== "NOT_FOUND") throw error;
    const message =
      "no such user: `postern user list --query TEXT` shows those whose name or address begins so";
    throw new AuthError("NOT_FOUND", { message });
  }
}
