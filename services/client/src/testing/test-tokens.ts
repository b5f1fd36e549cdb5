import { type OptionNames, takeOptions } from "../options.ts";
import { newId } from "./test-ids.ts";

/** What a token says; whatever is absent is made up. */
export interface TestTokenOptions {
  /** The user: `usr_` and 26 characters. */
  readonly subject?: string;
  /** `ses_` and 26 characters. */
  readonly sessionId?: string;
  /** Absent: `test`. */
  readonly clientId?: string;
  /** Absent: the issuer's `audience`. */
  readonly audience?: string | readonly string[];
  /** Absent: none. */
  readonly scope?: string | readonly string[];
  /** Absent: none. */
  readonly roles?: readonly string[];
  /** Seconds, up to 3,600; at or below zero it is over since then. Absent: 300. */
  readonly expiresIn?: number;
  /**
   * Claims beside or instead of these, whatever they are, `undefined` for none: to see what becomes of a token that
   * Postern would not have made.
   */
  readonly claims?: Readonly<Record<string, unknown>>;
}

const names: OptionNames<TestTokenOptions> = {
  ...{ subject: true, sessionId: true, clientId: true, audience: true, scope: true, roles: true },
  ...{ expiresIn: true, claims: true },
};

/** So many seconds before `iat`, as Postern does. */
const notBeforeLeadSeconds = 5;

/** The claims of an access token, in Postern's order. */
export function testClaims(
  given: TestTokenOptions,
  { issuer, audience, rev }: { readonly issuer: string; readonly audience: string; readonly rev: number },
): Readonly<Record<string, unknown>> {
  const wanted = takeOptions(given, names);
  const { expiresIn = 300, scope = [], roles = [] } = wanted;
  const now = Math.floor(Date.now() / 1_000);
  const exp = now + expiresIn;
  const iat = expiresIn > 0 ? now : exp - 300;
  return {
    iss: issuer,
    sub: wanted.subject ?? newId("usr"),
    aud: [wanted.audience ?? audience].flat(),
    exp,
    iat,
    nbf: iat - notBeforeLeadSeconds,
    jti: newId("tok"),
    sid: wanted.sessionId ?? newId("ses"),
    client_id: wanted.clientId ?? "test",
    scope: [scope].flat().join(" "),
    amr: ["pwd"],
    auth_time: iat,
    ...(roles.length > 0 ? { roles } : {}),
    rev,
    ...wanted.claims,
  };
}
