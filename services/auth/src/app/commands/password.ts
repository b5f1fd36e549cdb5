import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { CommandError, type Option } from "./command.ts";
import type { Io } from "./io.ts";

export const passwordFileOption = {
  "password-file": {
    type: "string",
    value: "PATH",
    help: "file with the password, `-` for stdin; without it one is made and printed once",
  },
} as const satisfies Readonly<Record<string, Option>>;

/** Letters and digits that are not mistaken for each other. */
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz";
/** 24 of them hold 139 bits. */
const madeLength = 24;
const longestBytes = 1024;

/**
 * The password in the file, or on stdin for `-`; one trailing newline is dropped.
 * @returns undefined where no file is named
 * @throws {CommandError} where it cannot be read, is empty, is no UTF-8, or is too long
 */
export async function readPassword(io: Io, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = decode(path === "-" ? await readAll(io.stdin) : await readFileBytes(path)).replace(
    /\r?\n$/,
    "",
  );
  if (text === "") throw new CommandError("the password file is empty");
  if (Buffer.byteLength(text) > longestBytes) throw tooLong();
  return text;
}

/** A random password of at least `minLength` characters. */
export function makePassword(minLength: number): string {
  const length = Math.max(madeLength, minLength);
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}

async function readFileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new CommandError(`the password file cannot be read${code}`);
  }
}

async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    length += bytes.length;
    if (length > longestBytes + 2) throw tooLong();
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CommandError("the password is not UTF-8");
  }
}

function tooLong(): CommandError {
  return new CommandError("the password is longer than 1,024 bytes");
}
