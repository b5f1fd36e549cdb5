import type { KeyPurpose } from "../../domain/ports/key-store.ts";
import { type Args, embeddedOption, type Option, textOption, UsageError } from "../command.ts";

const purposes = ["signing", "refresh"] as const;

/** The options of commands about all keys of a purpose. */
export const keyOptions = {
  purpose: {
    type: "string",
    value: "P",
    choices: purposes,
    help: "`signing` (access tokens) or `refresh` (refresh tokens)",
  },
  ...embeddedOption,
} as const satisfies Readonly<Record<string, Option>>;

/** The option of commands that activate another key. */
export const nowOption = {
  now: {
    type: "boolean",
    help: "even if it was published for less than POSTERN_KEY_PUBLISH_LEAD: some readers may refuse its tokens at first",
  },
} as const satisfies Readonly<Record<string, Option>>;

export function parsePurpose(args: Args): KeyPurpose | undefined {
  return purposes.find((purpose) => purpose === textOption(args, "purpose"));
}

/** @throws {UsageError} */
export function requirePurpose(args: Args): KeyPurpose {
  const purpose = parsePurpose(args);
  if (purpose === undefined) throw new UsageError("--purpose is required: `signing` or `refresh`");
  return purpose;
}
