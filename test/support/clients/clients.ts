import {
  type Client,
  ConnectError,
  createClient,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";

/** `connect`: JSON over HTTP/1.1; `connect-binary` and `grpc-web`: over HTTP/1.1; `grpc`: over h2c. */
export type Protocol = "connect" | "connect-binary" | "grpc-web" | "grpc";

export interface ClientOptions {
  /** Of the listener that speaks the protocol. */
  readonly baseUrl: string;
  /** `connect` by default. */
  readonly protocol?: Protocol;
  /** Sent as `authorization: Bearer …`; absent: no such header. */
  readonly credential?: string;
}

/** Clients of every service, over one transport. */
export interface Clients extends Disposable {
  readonly transport: Transport;
  readonly auth: Client<typeof AuthService>;
  readonly admin: Client<typeof AdminService>;
}

export function createClients(options: ClientOptions): Clients {
  const { baseUrl, protocol = "connect", credential } = options;
  const interceptors = credential === undefined ? [] : [bearer(credential)];
  const sessions = new Http2SessionManager(baseUrl);
  const connect = (useBinaryFormat: boolean) =>
    createConnectTransport({ baseUrl, interceptors, httpVersion: "1.1", useBinaryFormat });
  const transport = {
    connect: () => connect(false),
    "connect-binary": () => connect(true),
    "grpc-web": () => createGrpcWebTransport({ baseUrl, interceptors, httpVersion: "1.1" }),
    grpc: () => createGrpcTransport({ baseUrl, interceptors, sessionManager: sessions }),
  }[protocol]();
  return {
    transport,
    auth: createClient(AuthService, transport),
    admin: createClient(AdminService, transport),
    [Symbol.dispose]: () => sessions.abort(),
  };
}

/** The reason of an error without its prefix, such as `INVALID_CREDENTIALS`; without a reason, the error itself. */
export function reasonOf(error: unknown): string {
  const detail = ConnectError.from(error).findDetails(ErrorDetailSchema)[0];
  return detail ? Reason[detail.reason] : `no reason: ${error}`;
}

function bearer(credential: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${credential}`);
    return next(request);
  };
}
