import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyRing } from "../domain/keys/key-ring.ts";

/** How long a reader may keep the key set, in seconds: the least that POSTERN_KEY_PUBLISH_LEAD may be. */
const maxAgeSeconds = 300;

const jwksPath = "/.well-known/jwks.json";

/** Where the keys of an issuer are: under its path, as its metadata says; a proxy may have taken that path off. */
export function jwksPaths(issuer: string): ReadonlySet<string> {
  return new Set([jwksPath, new URL(jwksUri(issuer)).pathname]);
}

/** Where its metadata says that they are. */
export function jwksUri(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}${jwksPath}`;
}

/** `GET /.well-known/jwks.json`: the public keys (RFC 7517 section 5). Works without any store. */
export function serveJwks(
  keyRing: Pick<KeyRing, "publicKeys">,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const body = JSON.stringify({ keys: keyRing.publicKeys });
  const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
  response.setHeader("cache-control", `public, max-age=${maxAgeSeconds}`);
  response.setHeader("etag", etag);
  if (hasTag(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader("content-type", "application/jwk-set+json");
  response.setHeader("content-length", Buffer.byteLength(body));
  response.end(request.method === "HEAD" ? undefined : body);
}

/** RFC 9110 section 13.1.2: a list of tags, weak ones too, or `*`. */
function hasTag(header: string | undefined, etag: string): boolean {
  const tags = header?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  return tags.includes(etag) || tags.includes("*");
}
