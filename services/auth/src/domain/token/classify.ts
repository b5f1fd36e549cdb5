import { type OpaqueKind, opaqueKindOf } from "./opaque-token.ts";

/** What a presented token claims to be. `reserved`: an opaque kind that Postern does not issue yet. */
export type TokenKind = "access" | "refresh" | "secret" | "device" | "reserved";

const opaqueKinds: Readonly<Record<OpaqueKind, TokenKind>> = {
  rt: "refresh",
  st: "secret",
  at: "reserved",
  ac: "reserved",
  dv: "device",
};

/**
 * The kind of a presented token, by its prefix alone. The token may be forged, malformed or truncated. Every text without
 * the prefix of an opaque kind is an access token, which is a JWT.
 */
export function classify(token: string): TokenKind {
  const kind = opaqueKindOf(token);
  return kind === undefined ? "access" : opaqueKinds[kind];
}
