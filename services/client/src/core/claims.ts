import { ownMember } from "./own-members.ts";
import { PosternError } from "./postern-error.ts";

/** The claims of an access token (RFC 9068 section 2.2). Times are seconds since the epoch. */
export interface AccessTokenClaims {
  readonly iss: string;
  /** The user's ID: `usr_…`. */
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  /** The token's ID: `tok_…`. */
  readonly jti: string;
  /** The session's ID: `ses_…`. */
  readonly sid: string;
  readonly client_id: string;
  /** Scope tokens, separated by one space (RFC 6749 section 3.3). Empty if there are none. */
  readonly scope: string;
  /** How the user was authenticated (RFC 8176). */
  readonly amr: readonly string[];
  readonly auth_time: number;
  /** Absent if the user has none. */
  readonly roles?: readonly string[];
  /** The revocation log's number when the session was authenticated. */
  readonly rev: number;
}

/** Maximum difference between the clocks of two machines, in seconds. It applies to `exp`, `nbf` and `iat`. */
export const clockSkewSeconds = 10;
/** Maximum lifetime of an access token, in seconds. */
export const maxLifeSeconds = 3600;

const idForm = "[0-7][0-9a-hjkmnp-tv-z]{25}";
const userId = new RegExp(`^usr_${idForm}$`);
const tokenId = new RegExp(`^tok_${idForm}$`);
const sessionId = new RegExp(`^ses_${idForm}$`);
const scopeForm = /^(?:[!#-[\]-~]+(?: [!#-[\]-~]+)*)?$/;
// In UTF-16 units: an audience has at most 255 characters.
const maxTextLength = 510;

/**
 * Reads the claims of a parsed payload. Claims that {@link AccessTokenClaims} does not list are left out: a newer server
 * may add some, and a member such as `__proto__` cannot affect a decision. The result has no prototype, so an absent claim
 * stays absent even if `Object.prototype` has a member of that name.
 *
 * @throws {PosternError} `ERR_TOKEN_MALFORMED` if a claim is missing or malformed
 */
export function readClaims(payload: Readonly<Record<string, unknown>>): AccessTokenClaims {
  const hasRoles = Object.hasOwn(payload, "roles");
  const claims = {
    __proto__: null,
    iss: check(payload, "iss", isText),
    sub: check(payload, "sub", matches(userId)),
    aud: check(payload, "aud", isAudience),
    exp: check(payload, "exp", isCount),
    iat: check(payload, "iat", isCount),
    nbf: check(payload, "nbf", isCount),
    jti: check(payload, "jti", matches(tokenId)),
    sid: check(payload, "sid", matches(sessionId)),
    client_id: check(payload, "client_id", isText),
    scope: check(payload, "scope", matches(scopeForm)),
    amr: check(payload, "amr", isTexts),
    auth_time: check(payload, "auth_time", isCount),
    rev: check(payload, "rev", isCount),
    ...(hasRoles ? { roles: check(payload, "roles", isTexts) } : {}),
  };
  return claims;
}

/** The expected values of a token's claims. */
export interface ClaimChecks {
  /** Must equal `iss`. */
  readonly issuer: string;
  /** The token must be for one of these. Absent: every audience is accepted. */
  readonly audience?: readonly string[] | undefined;
  /** The time, in seconds since the epoch. */
  readonly nowSeconds: number;
}

/**
 * Checks issuer, audience and times. Call it only for claims whose signature was verified.
 *
 * @throws {PosternError} `ERR_TOKEN_EXPIRED` after `exp` and the clock skew; `ERR_TOKEN_INVALID` for any other fault
 */
export function checkClaims(claims: AccessTokenClaims, checks: ClaimChecks): void {
  const { issuer, nowSeconds } = checks;
  const audience = ownMember(checks, "audience");
  if (claims.iss !== issuer) throw invalid("of another issuer");
  if (audience !== undefined && !claims.aud.some((member) => audience.includes(member))) {
    throw invalid("for another audience");
  }
  const life = claims.exp - claims.iat;
  if (life <= 0 || life > maxLifeSeconds)
    throw invalid(`its lifetime is not between 1 and ${maxLifeSeconds} seconds`);
  const latestStart = nowSeconds + clockSkewSeconds;
  // In this form, a time that is not a number is refused.
  if (!(claims.iat <= latestStart)) throw invalid("issued in the future");
  if (!(claims.nbf <= latestStart)) throw invalid("not valid yet");
  if (!(nowSeconds < claims.exp + clockSkewSeconds)) throw new PosternError("ERR_TOKEN_EXPIRED", "expired");
}

function check<T>(
  payload: Readonly<Record<string, unknown>>,
  name: keyof AccessTokenClaims,
  is: (value: unknown) => value is T,
): T {
  const value = ownMember(payload, name);
  if (is(value)) return value;
  throw new PosternError(
    "ERR_TOKEN_MALFORMED",
    `not an access token of Postern: \`${name}\` is missing or malformed`,
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxTextLength && value.isWellFormed();
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isAudience(value: unknown): value is string[] {
  return isTexts(value) && value.length > 0;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function matches(form: RegExp): (value: unknown) => value is string {
  return (value): value is string => typeof value === "string" && form.test(value);
}

function invalid(why: string): PosternError {
  return new PosternError("ERR_TOKEN_INVALID", `the access token is refused: ${why}`);
}
