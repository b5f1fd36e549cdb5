import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { Http2Connection } from "./http2-connection.ts";

export interface PosternClientOptions {
  readonly baseUrl: string;
  /** A secret token. */
  readonly token: string;
  readonly httpVersion?: "1.1" | "2";
}

export interface PosternClient {
  readonly client: Client<typeof AuthService>;
  /** Gives the HTTP/2 connection up: it may be what does not answer. */
  readonly abort: () => void;
}

/** Visible ASCII and spaces: what else cannot be sent would be told in an error, the token with it. */
const sendable = /^[ -~]+$/;

/**
 * Calls Postern by a secret token. Connects to nothing yet.
 * @throws {TypeError} where the token cannot be sent
 */
export function createPosternClient({
  baseUrl,
  token,
  httpVersion = "1.1",
}: PosternClientOptions): PosternClient {
  if (!sendable.test(token)) throw new TypeError("the secret token `token` must be printable ASCII");
  const bearer: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const sessionManager = httpVersion === "2" ? new Http2Connection(baseUrl) : undefined;
  const http =
    sessionManager === undefined
      ? { httpVersion: "1.1" as const }
      : { httpVersion: "2" as const, sessionManager };
  const transport = createConnectTransport({ baseUrl, ...http, interceptors: [bearer] });
  return { client: createClient(AuthService, transport), abort: () => sessionManager?.abort() };
}
