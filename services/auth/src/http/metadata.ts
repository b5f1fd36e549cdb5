import type { Endpoint } from "./endpoint.ts";
import { jwksUri } from "./jwks.ts";

const names = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/**
 * The paths of an issuer's metadata. If the issuer has a path, RFC 8414 puts it after the well-known name (sections 3.1
 * and 5), and OpenID Connect Discovery before it. A proxy may strip it.
 */
function metadataPaths(issuer: string): ReadonlySet<string> {
  const path = new URL(issuer).pathname.replace(/\/$/, "");
  return new Set(names.flatMap((name) => [name, `${name}${path}`, `${path}${name}`]));
}

/** `GET`: the issuer's metadata (RFC 8414 section 2). It names only what is served here. */
export function metadataEndpoint(issuer: string): Endpoint {
  const body = JSON.stringify({
    issuer,
    jwks_uri: jwksUri(issuer),
    // Required. Without it, the grant types would be those of an authorization server with a login page.
    response_types_supported: [],
    grant_types_supported: [],
  });
  return {
    operation: "metadata",
    paths: metadataPaths(issuer),
    methods: "read",
    serve(_call, request, response) {
      response.setHeader("cache-control", "public, max-age=300");
      response.setHeader("content-type", "application/json");
      response.setHeader("content-length", Buffer.byteLength(body));
      response.end(request.method === "HEAD" ? undefined : body);
    },
  };
}
