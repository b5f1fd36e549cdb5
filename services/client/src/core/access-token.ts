import { type AccessTokenClaims, readClaims } from "./claims.ts";
import { PosternError } from "./postern-error.ts";

export type AccessTokenAlg = "ES256" | "EdDSA" | "RS256";

/** An access token whose form is right and whose signature nobody has checked yet. */
export interface ParsedAccessToken {
  readonly header: { readonly alg: AccessTokenAlg; readonly kid: string };
  readonly claims: AccessTokenClaims;
  /** What the signature is over (RFC 7515 section 5.2). */
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** The longest access token, in characters. */
export const maxTokenLength = 8192;

const algs: ReadonlySet<unknown> = new Set<AccessTokenAlg>(["ES256", "EdDSA", "RS256"]);
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const kidForm = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Reads an access token (RFC 9068) and refuses whatever Postern would not have minted. Fetches nothing and
 * trusts nothing: verify the signature with the key that `kid` names, only by that key's own algorithm, then
 * call `checkClaims`.
 *
 * What Postern mints is the form that `JSON.stringify` gives, so header and payload must be in it to the
 * byte. That leaves one text for each token: no duplicate member, other spelling of a number or of a
 * character, white space, invalid UTF-8, or stray bit of base64url. A token minted by any other means has to
 * keep to that form.
 *
 * The header holds `alg`, `typ` and `kid` and nothing else, so nothing in a token (`jwk`, `jku`, `x5u`,
 * `crit`, `zip`, …) can name a key or change the rules.
 *
 * @throws {PosternError} `ERR_TOKEN_MALFORMED`
 */
export function parseAccessToken(token: string): ParsedAccessToken {
  if (token.length > maxTokenLength) throw malformed(`longer than ${maxTokenLength} characters`);
  if (!compact.test(token)) throw malformed("not three parts of base64url");

  const headerEnd = token.indexOf(".");
  const payloadEnd = token.lastIndexOf(".");
  const signature = decodeBase64url(token.slice(payloadEnd + 1));
  if (signature === undefined) throw malformed("the signature is not canonical base64url");
  return {
    header: readHeader(parseSegment(token.slice(0, headerEnd))),
    claims: readClaims(parseSegment(token.slice(headerEnd + 1, payloadEnd))),
    signingInput: Buffer.from(token.slice(0, payloadEnd), "latin1"),
    signature,
  };
}

function readHeader(header: Readonly<Record<string, unknown>>): ParsedAccessToken["header"] {
  const { alg, typ, kid } = header;
  if (Object.keys(header).length !== 3) throw malformed("the header must be `alg`, `typ` and `kid` alone");
  if (typ !== "at+jwt") throw malformed("`typ` is not `at+jwt`");
  if (!isAlg(alg)) throw malformed("`alg` is none of ES256, EdDSA, RS256");
  if (typeof kid !== "string" || !kidForm.test(kid)) throw malformed("`kid` is not a key's id");
  return { alg, kid };
}

function isAlg(alg: unknown): alg is AccessTokenAlg {
  return algs.has(alg);
}

function parseSegment(segment: string): Record<string, unknown> {
  const bytes = decodeBase64url(segment);
  if (bytes === undefined) throw malformed("not canonical base64url");

  const value = parseCanonicalJson(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed("not a JSON object");
  return value as Record<string, unknown>;
}

function parseCanonicalJson(bytes: Buffer): unknown {
  let value: unknown;
  let canonical: string;
  try {
    value = JSON.parse(bytes.toString("utf8"));
    canonical = JSON.stringify(value);
  } catch {
    // The parser's own message quotes the text; the writer's is about the stack, where the nesting is deep.
    throw malformed("not JSON");
  }
  // Bytes, not texts: in a text, invalid UTF-8 has become U+FFFD already.
  if (!Buffer.from(canonical, "utf8").equals(bytes)) throw malformed("not JSON as JSON.stringify writes it");
  return value;
}

function decodeBase64url(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, "base64url");
  return bytes.toString("base64url") === segment ? bytes : undefined;
}

function malformed(why: string): PosternError {
  return new PosternError("ERR_TOKEN_MALFORMED", `not an access token of Postern: ${why}`);
}
