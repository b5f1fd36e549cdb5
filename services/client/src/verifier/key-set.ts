import { constants, createPublicKey, type JsonWebKey, verify } from "node:crypto";
import type { AccessTokenAlg } from "../core/access-token.ts";
import { ownMembers } from "../core/own-members.ts";

/** A public key of the issuer, with its only algorithm (RFC 8725 section 3.1). */
export interface VerifyingKey {
  readonly kid: string;
  readonly alg: AccessTokenAlg;
  /** The JWK that it was read from. */
  readonly jwk: string;
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** The issuer's keys by `kid`. */
export type KeySet = ReadonlyMap<string, VerifyingKey>;

/** More keys than Postern ever publishes. */
const maxKeys = 64;
const maxTextLength = 64 * 1024;
const leastRsaBits = 2048;
/** FIPS 186-5 appendix A.1.1. With an exponent of 1, every text would be its own signature. */
const leastRsaExponent = 65_537n;

/**
 * Reads a JWK Set (RFC 7517 section 5). Keys that are unknown or not for access tokens are left out. A key that is equal to
 * one in `known` stays the same object.
 * @returns undefined if the text is not a JWK Set, or has no key that can verify access tokens
 */
export function readKeySet(text: string, known: KeySet = new Map()): KeySet | undefined {
  if (text.length > maxTextLength) return undefined;
  const jwks = membersOf(parse(text))["keys"];
  if (!Array.isArray(jwks) || jwks.length > maxKeys) return undefined;
  const keys = new Map<string, VerifyingKey>();
  for (const jwk of jwks) {
    const key = readKey(membersOf(jwk), known);
    if (key === undefined) continue;
    // With two keys of the same ID, it is unclear which one a token means.
    if (keys.has(key.kid)) return undefined;
    keys.set(key.kid, key);
  }
  return keys.size > 0 ? keys : undefined;
}

function readKey(jwk: Readonly<Record<string, unknown>>, known: KeySet): VerifyingKey | undefined {
  const { kid, alg, use, key_ops: uses } = jwk;
  if (typeof kid !== "string" || !/^[A-Za-z0-9_-]{1,64}$/.test(kid)) return undefined;
  if (use !== undefined && use !== "sig") return undefined;
  if (uses !== undefined && !(Array.isArray(uses) && uses.includes("verify"))) return undefined;
  const scheme = typeof alg === "string" && Object.hasOwn(schemes, alg) ? alg : undefined;
  if (scheme === undefined) return undefined;
  const { kty, crv, members, digest, options } = schemes[scheme as AccessTokenAlg];
  if (jwk["kty"] !== kty || jwk["crv"] !== crv) return undefined;
  // Only the public members: others, above all a private part, are ignored.
  const publicMembers = Object.fromEntries(members.map((name) => [name, jwk[name]]));
  if (!Object.values(publicMembers).every((value) => typeof value === "string")) return undefined;
  const text = JSON.stringify([alg, publicMembers]);
  const before = known.get(kid);
  if (before?.jwk === text) return before;
  const key = importKey(
    ownMembers({ kty, ...(crv === undefined ? {} : { crv }), ...publicMembers }) as JsonWebKey,
  );
  if (key === undefined) return undefined;
  const verifier = ownMembers({ key, ...options });
  return {
    kid,
    alg: scheme as AccessTokenAlg,
    jwk: text,
    verify: (data, signature) => verify(digest, data, verifier, signature),
  };
}

function importKey(key: JsonWebKey) {
  try {
    const imported = createPublicKey({ key, format: "jwk" });
    const { modulusLength = leastRsaBits, publicExponent = leastRsaExponent } =
      imported.asymmetricKeyDetails ?? {};
    return modulusLength < leastRsaBits || publicExponent < leastRsaExponent ? undefined : imported;
  } catch {
    return undefined;
  }
}

const schemes = {
  ES256: {
    kty: "EC",
    crv: "P-256",
    members: ["x", "y"],
    digest: "sha256",
    options: { dsaEncoding: "ieee-p1363" },
  },
  EdDSA: { kty: "OKP", crv: "Ed25519", members: ["x"], digest: null, options: {} },
  RS256: {
    kty: "RSA",
    crv: undefined,
    members: ["n", "e"],
    digest: "sha256",
    options: { padding: constants.RSA_PKCS1_PADDING },
  },
} as const;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value's own members, without those of a prototype. */
function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return ownMembers(typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {});
}
