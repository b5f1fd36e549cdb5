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
  const nobody = { sub: "", client_id: "", sid: "", scope: "", roles: [] };
  const { sub, client_id, sid, scope, roles = [] } = claims ?? nobody;
  return {
    "x-postern-subject": encode(sub),
    "x-postern-client": encode(client_id),
    "x-postern-session": encode(sid),
    "x-postern-scope": scope.split(" ").map(encode).join(" "),
    "x-postern-roles": roles.map((role) => encode(role).replaceAll(",", "%2C")).join(","),
  };
}

/**
 * Whether an upstream may take a header for one of these: by CGI and what came after it, whatever is no letter or digit
 * becomes `_`.
 */
export function looksLikeIdentity(name: string): boolean {
  const normal = name.toLowerCase().replace(/[^a-z0-9]/g, "-");
  return identityHeaders.some((header) => header === normal);
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
