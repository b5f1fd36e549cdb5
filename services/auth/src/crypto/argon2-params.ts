import { randomBytes } from "node:crypto";

/** Argon2id (RFC 9106) with OWASP's minimum parameters, for new hashes. */
export const params = {
  /** KiB */
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
  /** Bytes of the tag. */
  outputLen: 32,
} as const;

/** Maximum parameters of a stored hash; `m` in KiB. */
const ceiling = { m: 256 * 1_024, t: 10, p: 4 };

/** The only form of PHC string that is accepted, so that no other reader can see other parameters. */
const phcString =
  /^\$argon2id\$v=19\$m=(?<m>[1-9]\d{0,6}),t=(?<t>[1-9]\d?),p=(?<p>[1-9])\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;

/**
 * Refuses a stored hash that would cost more than a login may. Otherwise an attacker who can write a hash, for example by an
 * import, could use up the server's memory.
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

/** A hash with the parameters of a real one and a random salt and tag: no known password matches it. */
export function createDummyHash(): string {
  const { memoryCost, timeCost, parallelism, outputLen } = params;
  const encode = (length: number) => randomBytes(length).toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${encode(16)}$${encode(outputLen)}`;
}
