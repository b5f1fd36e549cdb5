import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  AuthService,
  type WatchRevocationsResponse,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { Http2Connection } from "./http2-connection.ts";
import type { RevocationsOptions } from "./verifier-options.ts";

/** What a verifier asks Postern itself. */
export interface PosternConnection {
  /** Aborted, a stream takes an HTTP/2 connection with it: it may be what does not answer. */
  readonly watch: (cursor: string, signal: AbortSignal) => AsyncIterable<WatchRevocationsResponse>;
  /** @returns the token's id, where it is active */
  readonly introspect: (token: string) => Promise<string | undefined>;
}

const timeoutMs = 2_000;

/** Connects to nothing yet. */
export function connectPostern({
  baseUrl,
  token,
  httpVersion = "1.1",
}: RevocationsOptions): PosternConnection {
  const bearer: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const sessionManager = httpVersion === "2" ? new Http2Connection(baseUrl) : undefined;
  const http =
    sessionManager === undefined
      ? { httpVersion: "1.1" as const }
      : { httpVersion: "2" as const, sessionManager };
  const client = createClient(
    AuthService,
    createConnectTransport({ baseUrl, ...http, interceptors: [bearer] }),
  );
  return {
    watch(cursor, signal) {
      signal.addEventListener("abort", () => sessionManager?.abort());
      return client.watchRevocations({ cursor }, { signal });
    },
    async introspect(token) {
      const { active, tokenId } = await client.introspect({ token }, { timeoutMs });
      return active ? tokenId : undefined;
    },
  };
}
