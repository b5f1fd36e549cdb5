import { type AccessTokenClaims, readClaims } from "./claims.ts";
import { ownMembers } from "./own-members.ts";
import { PosternError } from "./postern-error.ts";

export type AccessTokenAlg = "ES256" | "EdDSA" | "RS256";

/** An access token with a valid header. Its signature is not checked and its payload is not read yet. */
export interface SignedToken {
  readonly header: { readonly alg: AccessTokenAlg; readonly kid: string };
  /** The encoded payload. Read it with `readPayload` after the check of the signature. */
  readonly payload: string;
  /** What the signature is over (RFC 7515 section 5.2). */
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** A signed token with its claims. */
export interface ParsedAccessToken extends SignedToken {
  readonly claims: AccessTokenClaims;
}

/** Maximum length of an access token, in characters. */
export const maxTokenLength = 8192;
/** Maximum length of the header, in characters of base64url. Postern's longest header has 138. */
const maxHeaderLength = 192;
/** Maximum levels of objects and lists. Postern's payload has two; later versions may have more. */
const maxPayloadDepth = 16;

const algs: ReadonlySet<unknown> = new Set<AccessTokenAlg>(["ES256", "EdDSA", "RS256"]);
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const kidForm = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Reads an access token (RFC 9068) up to its payload, and refuses everything that Postern would not have issued. Fetches
 * nothing and trusts nothing: verify the signature with the key that `kid` names, only by that key's own algorithm,
 * then call `readPayload` and `checkClaims`. In that order a forged token costs little.
 *
 * Header and payload must equal the output of `JSON.stringify` to the byte, which is what Postern issues. So each token has
 * exactly one text, without duplicate members, other spellings of numbers or characters, white space, invalid UTF-8, or stray
 * bits of base64url.
 *
 * The header has `alg`, `typ` and `kid` and nothing else, so nothing in a token (`jwk`, `jku`, `x5u`, `crit`, `zip`, …) can
 * name a key or change the rules.
 *
 * @throws {PosternError} `ERR_TOKEN_MALFORMED`
 */
export function readSignedToken(token: string): SignedToken {
  if (token.length > maxTokenLength) throw malformed(`longer than ${maxTokenLength} characters`);
  if (!compact.test(token)) throw malformed("not three parts of base64url");

  const headerEnd = token.indexOf(".");
  const payloadEnd = token.lastIndexOf(".");
  if (headerEnd > maxHeaderLength) throw malformed(`the header has more than ${maxHeaderLength} characters`);
  const header = readHeader(parseSegment(token.slice(0, headerEnd), 1));
  const signature = decodeBase64url(token.slice(payloadEnd + 1));
  if (signature === undefined) throw malformed("the signature is not canonical base64url");
  return {
    header,
    payload: token.slice(headerEnd + 1, payloadEnd),
    signingInput: Buffer.from(token.slice(0, payloadEnd), "latin1"),
    signature,
  };
}

/**
 * Reads the claims of a token whose signature is valid.
 *
 * @throws {PosternError} `ERR_TOKEN_MALFORMED`
 */
export function readPayload({ payload }: Pick<SignedToken, "payload">): AccessTokenClaims {
  return readClaims(parseSegment(payload, maxPayloadDepth));
}

/**
 * Reads a whole token, whether its signature is valid or not.
 *
 * @throws {PosternError} `ERR_TOKEN_MALFORMED`
 */
export function parseAccessToken(token: string): ParsedAccessToken {
  const signed = readSignedToken(token);
  return { ...signed, claims: readPayload(signed) };
}

function readHeader(header: Readonly<Record<string, unknown>>): ParsedAccessToken["header"] {
  const { alg, typ, kid } = header;
  if (Object.keys(header).length !== 3)
    throw malformed("the header must have `alg`, `typ` and `kid`, and nothing else");
  if (typ !== "at+jwt") throw malformed("`typ` is not `at+jwt`");
  if (!isAlg(alg)) throw malformed("`alg` must be ES256, EdDSA or RS256");
  if (typeof kid !== "string" || !kidForm.test(kid)) throw malformed("`kid` is not a key ID");
  return { alg, kid };
}

function isAlg(alg: unknown): alg is AccessTokenAlg {
  return algs.has(alg);
}

function parseSegment(segment: string, maxDepth: number): Readonly<Record<string, unknown>> {
  const bytes = decodeBase64url(segment);
  if (bytes === undefined) throw malformed("not canonical base64url");

  const value = parseCanonicalJson(bytes, maxDepth);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed("not a JSON object");
  return ownMembers(value as Record<string, unknown>);
}

function parseCanonicalJson(bytes: Buffer, maxDepth: number): unknown {
  const text = bytes.toString("utf8");
  // The time that JSON.stringify takes grows with the square of the depth.
  if (isDeeperThan(maxDepth, text)) throw malformed(`nested more than ${maxDepth} deep`);
  let value: unknown;
  let canonical: string;
  try {
    value = JSON.parse(text);
    canonical = JSON.stringify(value);
  } catch {
    // The parser's own message quotes the text.
    throw malformed("not JSON");
  }
  // Compare bytes, because decoding has replaced invalid UTF-8 by U+FFFD.
  if (!Buffer.from(canonical, "utf8").equals(bytes)) throw malformed("not JSON as JSON.stringify writes it");
  return value;
}

/** Whether JSON nests objects and lists more than `maxDepth` levels deep. For other text, the result means nothing. */
function isDeeperThan(maxDepth: number, json: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (isInString) {
      if (character === "\\") at += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') {
      isInString = true;
    } else if (character === "{" || character === "[") {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (character === "}" || character === "]") {
      depth -= 1;
    }
  }
  return false;
}

function decodeBase64url(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, "base64url");
  return bytes.toString("base64url") === segment ? bytes : undefined;
}

function malformed(why: string): PosternError {
  return new PosternError("ERR_TOKEN_MALFORMED", `not an access token of Postern: ${why}`);
}
