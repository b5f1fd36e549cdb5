import { type Permission, permissions } from "../../domain/caller/permission.ts";
import type { SecretToken } from "../../domain/ports/secret-token-directory.ts";
import { findRepeatedMember } from "../../lib/repeated-member.ts";
import { sha256Of } from "../../lib/sha256.ts";
import { SettingError } from "../error.ts";

/** One entry of `POSTERN_SECRET_TOKENS`, before defaults are filled in. */
export interface SecretTokenEntry {
  readonly name: string;
  readonly sha256: Uint8Array;
  readonly permissions: readonly Permission[];
  readonly scopes: readonly string[] | undefined;
  readonly audiences: readonly string[] | undefined;
  readonly clients: readonly string[] | undefined;
  readonly trustedAddress: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const members = [
  "name",
  "token",
  "sha256",
  "permissions",
  "scopes",
  "audiences",
  "clients",
  "trusted_address",
];
const shortestToken = 32;
const digestOfNothing = Buffer.from(sha256Of("")).toString("hex");
const notByItself = "`*` allows everything, so it must be the only item";
const scopePattern = /^[!#-[\]-~]{1,128}$/;
const audiencePattern = /^[^\s\p{C}]{1,255}$/u;
const clientPattern = /^[^\s\p{C}]{1,128}$/u;

/**
 * Parses the JSON list of secret tokens, strictly. Faults name the entry (counted from 0) and its member, and never quote it.
 */
export function parseSecretTokens(text: string): readonly SecretTokenEntry[] {
  const list = parseJson(text);
  if (!Array.isArray(list)) throw new SettingError("write a JSON list of objects");
  const repeated = findRepeatedMember(text);
  if (repeated !== undefined) fail(repeated, "has a member that occurs twice; remove one");
  const entries = list.map(parseEntry);
  entries.forEach((entry, index) => {
    refuseRepetition(entry, index, entries);
  });
  return entries;
}

/** The token with what its caller may request. Default: the default audience and its own client ID. */
export function toSecretToken(entry: SecretTokenEntry, defaultAudience: string | undefined): SecretToken {
  const { name, sha256, trustedAddress } = entry;
  const caller = {
    name,
    permissions: new Set(entry.permissions),
    scopes: new Set(entry.scopes ?? []),
    audiences: new Set(entry.audiences ?? (defaultAudience === undefined ? [] : [defaultAudience])),
    clients: new Set(entry.clients ?? [name]),
    trustedAddress,
  };
  return { name, sha256, caller };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, including tokens.
    throw new SettingError("is not JSON");
  }
}

function parseEntry(value: unknown, index: number): SecretTokenEntry {
  const at = `[${index}]`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(at, "write an object");
  const entry = value as Json;
  if (Object.keys(entry).some((member) => !members.includes(member))) {
    fail(at, `has an unknown member; there are ${members.join(", ")}`);
  }
  const name = entry["name"];
  if (typeof name !== "string" || !clientPattern.test(name) || name === "*") {
    fail(`${at}.name`, "write 1 to 128 characters without spaces");
  }
  const { trusted_address: trustedAddress = false } = entry;
  if (typeof trustedAddress !== "boolean") fail(`${at}.trusted_address`, "write true or false");
  return {
    name,
    sha256: parseSecret(entry, at),
    permissions: parsePermissions(entry["permissions"], `${at}.permissions`),
    scopes: parseMaximum(entry["scopes"], `${at}.scopes`, scopePattern),
    audiences: parseMaximum(entry["audiences"], `${at}.audiences`, audiencePattern),
    clients: parseMaximum(entry["clients"], `${at}.clients`, clientPattern),
    trustedAddress,
  };
}

function parseSecret({ token, sha256 }: Json, at: string): Uint8Array {
  if ((token === undefined) === (sha256 === undefined)) fail(at, "write either token or sha256");
  if (sha256 !== undefined) {
    if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256)) {
      fail(`${at}.sha256`, "write the 64 hexadecimal digits of the token's SHA-256");
    }
    if (sha256.toLowerCase() === digestOfNothing) fail(`${at}.sha256`, "is the digest of an empty token");
    return new Uint8Array(Buffer.from(sha256, "hex"));
  }
  const characters = typeof token === "string" ? [...token] : [];
  if (typeof token !== "string" || characters.length < shortestToken) {
    fail(`${at}.token`, `write ${shortestToken} characters or more; make one with \`openssl rand -hex 32\``);
  }
  if (characters.every((character) => character === characters[0])) {
    fail(`${at}.token`, "is one character repeated, not a secret; make one with `openssl rand -hex 32`");
  }
  return sha256Of(token);
}

function parsePermissions(value: unknown, at: string): readonly Permission[] {
  const list = parseStrings(value, at);
  if (list.length === 0) fail(at, "name at least one permission");
  if (list.includes("*")) {
    if (list.length > 1) fail(at, notByItself);
    return permissions;
  }
  return list.map((word, index) => {
    const permission = permissions.find((candidate) => candidate === word);
    return permission ?? fail(`${at}[${index}]`, `is not a permission; there are ${permissions.join(", ")}`);
  });
}

function parseMaximum(value: unknown, at: string, pattern: RegExp): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const list = parseStrings(value, at);
  list.forEach((word, index) => {
    if (!pattern.test(word))
      fail(`${at}[${index}]`, "is empty, too long, or has characters that are not allowed");
  });
  if (list.includes("*") && list.length > 1) fail(at, notByItself);
  return list;
}

function parseStrings(value: unknown, at: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((word) => typeof word === "string"))
    fail(at, "write a list of strings");
  if (new Set(value).size !== value.length) fail(at, "has a value twice");
  return value;
}

function refuseRepetition(
  entry: SecretTokenEntry,
  index: number,
  entries: readonly SecretTokenEntry[],
): void {
  const earlier = entries.slice(0, index);
  const same = earlier.findIndex((other) => Buffer.compare(other.sha256, entry.sha256) === 0);
  if (same !== -1) fail(`[${index}]`, `has the same token as [${same}]; each entry needs its own`);
  const namesakes = earlier.filter((other) => other.name === entry.name);
  if (namesakes.length > 1)
    fail(
      `[${index}].name`,
      "is used a third time; only two entries may have the same name, during a rotation",
    );
  if (namesakes.some((other) => rightsOf(other) !== rightsOf(entry))) {
    fail(`[${index}].name`, "is used twice with different rights; write the same in both entries");
  }
}

/** Equal text for equal rights, in any order. */
function rightsOf({ permissions, scopes, audiences, clients, trustedAddress }: SecretTokenEntry): string {
  const lists = [permissions, scopes, audiences, clients].map((list) => list?.toSorted() ?? null);
  return JSON.stringify([...lists, trustedAddress]);
}

function fail(at: string, message: string): never {
  throw new SettingError(`${at} ${message}`);
}
