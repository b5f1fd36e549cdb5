import { randomBytes, randomInt } from "node:crypto";
import { link, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { findRepeatedMember } from "../lib/repeated-member.ts";
import { EmbeddedError } from "./embedded-error.ts";
import { temporaryPath } from "./temporary.ts";

/** The secrets of an installation with the embedded database, stored in `secrets.json`. */
export interface Secrets {
  /** 32 bytes in base64: seals keys and other secrets at rest. */
  readonly masterKey: string;
  /** Password of the database's only user. Safe in a URL. */
  readonly databasePassword: string;
  /** The secret token with every permission. */
  readonly secretToken: string;
  readonly adminEmail: string;
  readonly adminPassword: string;
}

/** Without characters that are easily confused. */
const readable = "abcdefghjkmnpqrstuvwxyz23456789";

/**
 * The secrets of a data folder.
 * @returns `undefined` if it has none yet.
 * @throws EmbeddedError if the file is malformed or others can read it. The file stays unchanged, and the message does not quote it.
 */
export async function readSecrets(folder: string): Promise<Secrets | undefined> {
  const path = join(folder, "secrets.json");
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if ((found.mode & 0o077) !== 0) throw new EmbeddedError(`${path} can be read by others; chmod 600 it`);
  const fault = (what: string) =>
    new EmbeddedError(
      `${path} is malformed (${what}); fix it or restore it from a backup: without it, the database in the same directory is lost`,
    );
  const written = await readFile(path, "utf8");
  const value = parse(written);
  if (value === undefined) throw fault("not a JSON object");
  if (findRepeatedMember(written) !== undefined) throw fault("a field occurs twice");
  const text = (name: keyof Secrets, isGood: (text: string) => boolean) => {
    const field = value[name];
    if (typeof field !== "string" || !isGood(field)) throw fault(`field ${name}`);
    return field;
  };
  return {
    masterKey: text("masterKey", isMasterKey),
    databasePassword: text("databasePassword", (it) => /^[\w-]{32,}$/.test(it)),
    secretToken: text("secretToken", (it) => it.length >= 32),
    adminEmail: text("adminEmail", (it) => it.includes("@")),
    adminPassword: text("adminPassword", (it) => it.length >= 12),
  };
}

/**
 * Creates the secrets of a data folder that has none. The file (0600) appears only when it is complete. If several processes
 * try, one succeeds. It belongs to the owner of the folder, also if this process is root.
 * @returns the content of the file
 */
export async function makeSecrets(folder: string, newSecretToken: () => string): Promise<Secrets> {
  const secrets: Secrets = {
    masterKey: randomBytes(32).toString("base64"),
    databasePassword: randomBytes(32).toString("base64url"),
    secretToken: newSecretToken(),
    adminEmail: "admin@example.com",
    adminPassword: readablePassword(),
  };
  const temporary = temporaryPath(folder);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(secrets, undefined, 2)}\n`);
      if (process.geteuid?.() === 0) {
        const { uid, gid } = await stat(folder);
        await file.chown(uid, gid);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a link never replaces a file that another process has created in the meantime.
    await link(temporary, join(folder, "secrets.json")).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  const made = await readSecrets(folder);
  if (made === undefined)
    throw new EmbeddedError(`${folder}/secrets.json was removed while it was being made`);
  return made;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    // The parser's message quotes the text.
    return undefined;
  }
}

function isMasterKey(text: string): boolean {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 32 && bytes.toString("base64") === text;
}

/** 20 characters of 31: 99 bits, in groups of five. */
function readablePassword(): string {
  const group = () => Array.from({ length: 5 }, () => readable[randomInt(readable.length)]).join("");
  return Array.from({ length: 4 }, group).join("-");
}
