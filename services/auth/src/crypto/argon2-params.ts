import { randomBytes } from "node:crypto";

/** Argon2id (RFC 9106) at OWASP's floor, for hashes made from now on. */
export const params = {
  /** KiB */
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
  /** Bytes of the tag. */
  outputLen: 32,
} as const;

/** What a stored hash may ask for at most: `m` in KiB. */
const ceiling = { m: 256 * 1_024, t: 10, p: 4 };

/** The one form of PHC string that is run: no option is left for another reader to see otherwise. */
const phcString =
  /^\$argon2id\$v=19\$m=(?<m>[1-9]\d{0,6}),t=(?<t>[1-9]\d?),p=(?<p>[1-9])\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;

/**
 * Refuses a stored hash that would cost more than a login may: whoever can write a hash, by an import say,
 * could otherwise take the server's memory.
 *
 * @throws {Error} without the hash in its text
 */
export function assertAffordable(hash: string): void {
  const found = phcString.exec(hash)?.groups;
  if (found === undefined) throw new Error("a stored password hash is not Argon2id in its PHC form");
  const { m, t, p } = found;
  if (Number(m) > ceiling.m || Number(t) > ceiling.t || Number(p) > ceiling.p) {
    throw new Error("a stored password hash exceeds the ceiling of Argon2 parameters");
  }
}

/** A hash with the parameters of a real one that no password is known to fit: salt and tag are random. */
export function createDummyHash(): string {
  const { memoryCost, timeCost, parallelism, outputLen } = params;
  const encode = (length: number) => randomBytes(length).toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${encode(16)}$${encode(outputLen)}`;
}
