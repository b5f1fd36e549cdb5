import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  AuthService,
  type IntrospectResponseSchema,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { AccessTokenClaims } from "../core/claims.ts";
import type { TestLog } from "./test-log.ts";

export interface TestServerDeps {
  readonly log: Pick<TestLog, "watch">;
  /** The JWK Set, as JSON. */
  readonly jwks: () => string;
  /** The claims of a token, if it is active. */
  readonly claimsOf: (token: string, issuer: string) => AccessTokenClaims | undefined;
  /** The secret token of callers. */
  readonly credential: string;
}

/** A listener on a free port of 127.0.0.1. */
export interface TestServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the RPCs and documents that verifiers use. */
export async function startTestServer(deps: TestServerDeps): Promise<TestServer> {
  const closing = new AbortController();
  const documents: Readonly<Record<string, () => string>> = {
    "/.well-known/jwks.json": deps.jwks,
    "/.well-known/oauth-authorization-server": () =>
      JSON.stringify({ issuer: url, jwks_uri: `${url}/.well-known/jwks.json`, response_types_supported: [] }),
  };
  const server = createServer(
    connectNodeAdapter({
      fallback(request, response) {
        const path = request.url ?? "";
        const text = Object.hasOwn(documents, path) ? documents[path]?.() : undefined;
        response.writeHead(text === undefined ? 404 : 200, {
          "content-type": "application/json",
          "cache-control": "max-age=300",
        });
        response.end(text ?? "");
      },
      routes: (router) =>
        router.service(AuthService, {
          async *watchRevocations({ cursor }, { requestHeader, signal }) {
            authenticate(requestHeader, deps.credential);
            yield* deps.log.watch(cursor, AbortSignal.any([signal, closing.signal]));
          },
          introspect({ token }, { requestHeader }) {
            authenticate(requestHeader, deps.credential);
            const claims = deps.claimsOf(token, url);
            return claims === undefined ? {} : describe(claims);
          },
        }),
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async close() {
      if (!server.listening) return;
      closing.abort();
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function authenticate(header: Headers, credential: string): void {
  if (header.get("authorization") === `Bearer ${credential}`) return;
  throw new ConnectError("the secret token is not of this issuer", Code.Unauthenticated);
}

function describe(claims: AccessTokenClaims): MessageInitShape<typeof IntrospectResponseSchema> {
  const time = (seconds: number) => timestampFromMs(seconds * 1_000);
  return {
    active: true,
    tokenType: "Bearer",
    subject: claims.sub,
    sessionId: claims.sid,
    clientId: claims.client_id,
    audience: [...claims.aud],
    scope: claims.scope === "" ? [] : claims.scope.split(" "),
    roles: [...(claims.roles ?? [])],
    issuer: claims.iss,
    tokenId: claims.jti,
    issuedAt: time(claims.iat),
    expiresAt: time(claims.exp),
    notBefore: time(claims.nbf),
    authTime: time(claims.auth_time),
    amr: [...claims.amr],
  };
}
