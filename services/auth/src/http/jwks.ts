import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyRing } from "../domain/keys/key-ring.ts";
import type { Endpoint } from "./endpoint.ts";

/** How long a reader may keep the key set, in seconds: the least that POSTERN_KEY_PUBLISH_LEAD may be. */
const maxAgeSeconds = 300;

const jwksPath = "/.well-known/jwks.json";

/** The paths of an issuer's keys: with the issuer's path, as in its metadata, and without it, because a proxy may strip it. */
function jwksPaths(issuer: string): ReadonlySet<string> {
  return new Set([jwksPath, new URL(jwksUri(issuer)).pathname]);
}

/** The path of the keys that the issuer's metadata names. */
export function jwksUri(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}${jwksPath}`;
}

/** `GET /.well-known/jwks.json`: the public keys (RFC 7517 section 5). Needs no store. */
export function jwksEndpoint(issuer: string, keyRing: Pick<KeyRing, "publicKeys">): Endpoint {
  return {
    operation: "jwks",
    paths: jwksPaths(issuer),
    methods: "read",
    serve: (_call, request, response) => serveJwks(keyRing, request, response),
  };
}

function serveJwks(
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
