import { type OptionNames, takeOptions } from "../options.ts";
import { newId } from "./test-ids.ts";

/** The content of a test token. Absent values get defaults. */
export interface TestTokenOptions {
  /** The user's ID: `usr_` and 26 characters. Absent: a new one. */
  readonly subject?: string;
  /** The session's ID: `ses_` and 26 characters. Absent: a new one. */
  readonly sessionId?: string;
  /** Absent: `test`. */
  readonly clientId?: string;
  /** Absent: the issuer's `audience`. */
  readonly audience?: string | readonly string[];
  /** Absent: none. */
  readonly scope?: string | readonly string[];
  /** Absent: none. */
  readonly roles?: readonly string[];
  /** Lifetime in seconds, at most 3,600. Zero or less: it has already expired, by that time. Absent: 300. */
  readonly expiresIn?: number;
  /**
   * Further claims, which replace those of the same name; `undefined` removes one. Use it to test tokens that Postern would
   * not issue.
   */
  readonly claims?: Readonly<Record<string, unknown>>;
}

const names: OptionNames<TestTokenOptions> = {
  subject: true,
  sessionId: true,
  clientId: true,
  audience: true,
  scope: true,
  roles: true,
  expiresIn: true,
  claims: true,
};

/** `nbf` is this much before `iat`, as in Postern. */
const notBeforeLeadSeconds = 5;

/** The claims of an access token, in Postern's order. */
export function testClaims(
  given: TestTokenOptions,
  { issuer, audience, rev }: { readonly issuer: string; readonly audience: string; readonly rev: number },
): Readonly<Record<string, unknown>> {
  const options = takeOptions(given, names);
  const { expiresIn = 300, scope = [], roles = [] } = options;
  const now = Math.floor(Date.now() / 1_000);
  const exp = now + expiresIn;
  const iat = expiresIn > 0 ? now : exp - 300;
  return {
    iss: issuer,
    sub: options.subject ?? newId("usr"),
    aud: [options.audience ?? audience].flat(),
    exp,
    iat,
    nbf: iat - notBeforeLeadSeconds,
    jti: newId("tok"),
    sid: options.sessionId ?? newId("ses"),
    client_id: options.clientId ?? "test",
    scope: [scope].flat().join(" "),
    amr: ["pwd"],
    auth_time: iat,
    ...(roles.length > 0 ? { roles } : {}),
    rev,
    ...options.claims,
  };
}
