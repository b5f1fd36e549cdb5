import type { AccessTokenClaims } from "@postern/client/core/claims.ts";

/** What an upstream is told of a token that was verified. */
export const identityHeaders = [
  "x-postern-subject",
  "x-postern-client",
  "x-postern-session",
  "x-postern-scope",
  "x-postern-roles",
] as const;

export type IdentityHeader = (typeof identityHeaders)[number];

/** Their values; empty where there is nothing to tell. Scopes are parted by spaces, roles by commas. */
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

/** Visible ASCII is left as it is, but for `%`; the rest is percent-encoded: no value can end its header. */
function encode(text: string): string {
  return text.replace(/[^!-~]|%/gu, encodeURIComponent);
}
