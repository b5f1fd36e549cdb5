import { ownMember } from "./own-members.ts";
import { PosternError } from "./postern-error.ts";

/** The claims of an access token (RFC 9068 section 2.2). Times are seconds since the epoch. */
export interface AccessTokenClaims {
  readonly iss: string;
  /** The user: `usr_…`. */
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  /** The token's id: `tok_…`. */
  readonly jti: string;
  /** The session: `ses_…`. */
  readonly sid: string;
  readonly client_id: string;
  /** Scope tokens with one space between (RFC 6749 section 3.3); empty where there are none. */
  readonly scope: string;
  /** How the user was authenticated (RFC 8176). */
  readonly amr: readonly string[];
  readonly auth_time: number;
  /** Absent where the user has none. */
  readonly roles?: readonly string[];
  /** The revocation log's number when the session was authenticated. */
  readonly rev: number;
}

/** How far two machines' clocks may be apart, in seconds; borne at `exp`, `nbf` and `iat` alike. */
export const clockSkewSeconds = 10;
/** The longest life of an access token, in seconds. */
export const maxLifeSeconds = 3600;

const idForm = "[0-7][0-9a-hjkmnp-tv-z]{25}";
const userId = new RegExp(`^usr_${idForm}$`);
const tokenId = new RegExp(`^tok_${idForm}$`);
const sessionId = new RegExp(`^ses_${idForm}$`);
const scopeForm = /^(?:[!#-[\]-~]+(?: [!#-[\]-~]+)*)?$/;
// In UTF-16 units: twice the 255 characters that an audience may have.
const maxTextLength = 510;

/**
 * Reads the claims out of a payload as JSON gave it. A claim that is not listed in
 * {@link AccessTokenClaims} is left out: a newer server may add some, which is no reason to refuse a token,
 * and an omitted member can neither affect a decision nor reach a prototype (`__proto__`). The result has no
 * prototype, so an absent claim stays absent, whatever `Object.prototype` contains.
 *
 * @throws {PosternError} `ERR_TOKEN_MALFORMED` where a claim is missing or not of its form
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

/** What a token is checked against. */
export interface ClaimChecks {
  /** `iss`, to the letter. */
  readonly issuer: string;
  /** The token must be for one of these; absent: whom it is for is not asked. */
  readonly audience?: readonly string[] | undefined;
  /** The time, in seconds since the epoch. */
  readonly nowSeconds: number;
}

/**
 * Checks what a token says against where and when it is shown. Only for claims whose signature holds.
 *
 * @throws {PosternError} `ERR_TOKEN_EXPIRED` from `exp` on, skew allowed; `ERR_TOKEN_INVALID` for any other fault
 */
export function checkClaims(claims: AccessTokenClaims, checks: ClaimChecks): void {
  const { issuer, nowSeconds } = checks;
  const audience = ownMember(checks, "audience");
  if (claims.iss !== issuer) throw invalid("of another issuer");
  if (audience !== undefined && !claims.aud.some((member) => audience.includes(member))) {
    throw invalid("for another audience");
  }
  const life = claims.exp - claims.iat;
  if (life <= 0 || life > maxLifeSeconds) throw invalid(`its life is not within ${maxLifeSeconds} s`);
  const latestStart = nowSeconds + clockSkewSeconds;
  // Written so that a time that is no number refuses.
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
