import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { type ConnectTransportOptions, createConnectTransport } from "@connectrpc/connect-node";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { ownMembers } from "../core/own-members.ts";
import { type Faults, isBaseUrl } from "../options.ts";
import { isSendable } from "../sendable.ts";
import { Http2Connection } from "./http2-connection.ts";

export interface PosternClientOptions {
  readonly baseUrl: string;
  /** A secret token. */
  readonly token: string;
  readonly httpVersion?: "1.1" | "2";
}

export interface PosternClient {
  readonly client: Client<typeof AuthService>;
  /** Closes the HTTP/2 connection, in case it is the cause of a timeout. */
  readonly abort: () => void;
}

/** @param prefix the text before an option's name in errors */
export function faultsOfClient(
  { baseUrl, token, httpVersion }: Partial<PosternClientOptions>,
  prefix = "",
): Faults {
  return {
    [`\`${prefix}baseUrl\` must be an http or https URL, without credentials, query or fragment`]:
      !isBaseUrl(baseUrl),
    [`\`${prefix}token\` must be a secret token of Postern; it is empty`]: !token,
    [`\`${prefix}token\` must be printable ASCII, without leading or trailing spaces`]: !isSendable(token),
    [`\`${prefix}httpVersion\` must be "1.1" or "2"`]: ![undefined, "1.1", "2"].includes(httpVersion),
  };
}

/**
 * Creates a client that authenticates with a secret token. It opens no connection.
 * @param options must have no fault by `faultsOfClient`
 */
export function createPosternClient({
  baseUrl,
  token,
  httpVersion = "1.1",
}: PosternClientOptions): PosternClient {
  const bearer: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const sessionManager = httpVersion === "2" ? new Http2Connection(baseUrl) : undefined;
  const http =
    sessionManager === undefined
      ? { httpVersion: "1.1" as const }
      : { httpVersion: "2" as const, sessionManager };
  const options: ConnectTransportOptions = { baseUrl, ...http, interceptors: [bearer] };
  const transport = createConnectTransport(ownMembers(options));
  return { client: createClient(AuthService, transport), abort: () => sessionManager?.abort() };
}
