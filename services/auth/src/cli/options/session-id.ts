import { dropBlanks } from "../../lib/blanks.ts";
import { parseId } from "../../lib/type-id.ts";
import { type Args, UsageError } from "../command.ts";

/** @throws {UsageError} */
export function parseSessionId(text: string): string {
  const id = parseId("ses", dropBlanks(text));
  if (id === undefined) {
    throw new UsageError("a session's ID is `ses_` and 26 characters: `postern session list` shows them");
  }
  return id;
}

/** The session that the argument names. @throws {UsageError} */
export function sessionArgument({ positionals: [text] }: Args): string {
  if (text === undefined) {
    throw new UsageError("name a session by its ID: `postern session list --user USER` shows them");
  }
  return parseSessionId(text);
}
