import { readFile } from "node:fs/promises";
import { TextFileError, textOfFile } from "../../lib/text-of-file.ts";
import { CommandError } from "../command.ts";
import type { Io } from "../io.ts";

/** Maximum number of bytes around a secret: a byte order mark and a line break. */
const mostAroundBytes = 5;

interface SecretKind {
  /** For the messages, for example `password`. */
  readonly what: string;
  readonly longestBytes: number;
}

/**
 * Reads the secret from the file, or from stdin for `-`, without one trailing newline and a byte order mark.
 * @throws {CommandError} if it cannot be read, is empty, is not UTF-8, or is too long
 */
export async function readSecretFile(io: Io, path: string, kind: SecretKind): Promise<string> {
  const bytes = path === "-" ? await readAll(io.stdin, kind) : await readFileBytes(path, kind);
  const text = decode(bytes, kind).replace(/\r?\n$/, "");
  if (text === "") throw new CommandError(`the ${kind.what} file is empty`);
  if (Buffer.byteLength(text) > kind.longestBytes) throw tooLong(kind);
  return text;
}

async function readFileBytes(path: string, { what }: SecretKind): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new CommandError(`the ${what} file cannot be read${code}`);
  }
}

async function readAll(stream: AsyncIterable<Uint8Array | string>, kind: SecretKind): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    length += bytes.length;
    if (length > kind.longestBytes + mostAroundBytes) throw tooLong(kind);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Uint8Array, { what }: SecretKind): string {
  try {
    return textOfFile(bytes);
  } catch (error) {
    if (error instanceof TextFileError) throw new CommandError(`the ${what} file ${error.message}`);
    throw error;
  }
}

function tooLong({ what, longestBytes }: SecretKind): CommandError {
  return new CommandError(`the ${what} is longer than ${longestBytes.toLocaleString("en")} bytes`);
}
