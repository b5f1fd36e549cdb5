import { randomInt } from "node:crypto";
import type { Option } from "../command.ts";
import type { Io } from "../io.ts";
import { readSecretFile } from "./secret-file.ts";

export const passwordFileOption = {
  "password-file": {
    type: "string",
    value: "PATH",
    help: "file with the password, `-` for stdin; without it a password is generated and printed once",
  },
} as const satisfies Readonly<Record<string, Option>>;

/** Letters and digits that are not easily confused. */
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz";
/** 24 of them have 139 bits. */
const madeLength = 24;
const longestBytes = 1024;

/**
 * Reads the password from the file, or from stdin for `-`, without one trailing newline and a byte order mark.
 * @returns undefined if no file is named
 * @throws {CommandError} if it cannot be read, is empty, is not UTF-8, or is too long
 */
export async function readPassword(io: Io, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return readSecretFile(io, path, { what: "password", longestBytes });
}

/** A random password of at least `minLength` characters. */
export function makePassword(minLength: number): string {
  const length = Math.max(madeLength, minLength);
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}
