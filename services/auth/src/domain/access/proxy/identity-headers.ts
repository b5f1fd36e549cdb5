import type { AccessTokenClaims } from "../../../../../client/src/core/claims.ts";

/** The headers that describe a verified token to an upstream. */
export const identityHeaders = [
  "x-postern-subject",
  "x-postern-client",
  "x-postern-session",
  "x-postern-scope",
  "x-postern-roles",
] as const;

export type IdentityHeader = (typeof identityHeaders)[number];

/** Their values; empty if there is none. Scopes are separated by spaces, roles by commas. */
export function describeIdentity(
  claims: AccessTokenClaims | undefined,
): Readonly<Record<IdentityHeader, string>> {
  const anonymous = { sub: "", client_id: "", sid: "", scope: "", roles: [] };
  const { sub, client_id, sid, scope, roles = [] } = claims ?? anonymous;
  return {
    "x-postern-subject": encode(sub),
    "x-postern-client": encode(client_id),
    "x-postern-session": encode(sid),
    "x-postern-scope": scope.split(" ").map(encode).join(" "),
    "x-postern-roles": roles.map((role) => encode(role).replaceAll(",", "%2C")).join(","),
  };
}

/**
 * Whether an upstream may read a header as an identity header. CGI, WSGI, PHP and Rack replace every character that is not
 * a letter or digit with `_`. The whole namespace counts: a later version may have more identity headers.
 */
export function looksLikeIdentity(name: string): boolean {
  return /^x[^a-z0-9]+postern[^a-z0-9]/i.test(name);
}

/** Every spelling of the headers with `-` and `_`. */
export const identitySpellings: readonly string[] = identityHeaders.flatMap((header) =>
  header
    .split("-")
    .slice(1)
    .reduce<string[]>(
      (spelt, word) => spelt.flatMap((text) => [`${text}-${word}`, `${text}_${word}`]),
      ["x"],
    ),
);

/** Percent-encodes `%` and everything but visible ASCII, so that no value can end its header. */
function encode(text: string): string {
  return text.replace(/[^!-~]|%/gu, encodeURIComponent);
}
