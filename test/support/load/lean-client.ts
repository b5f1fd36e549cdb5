import { fromBinary } from "@bufbuild/protobuf";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { type HttpAnswer, type HttpConnection, openHttpConnection } from "./http-connection.ts";

/** `reason`: the name in the `ErrorDetail`, else the Connect code, else the fault of the transport (`ECONNREFUSED`). */
export type Answer<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly reason: string };

/** The reason of a call that has had no answer by its deadline and the slack. */
export const PAST_DEADLINE = "PAST_DEADLINE";

/** Calls the `AuthService` of one server by Connect's JSON. */
export interface LeanClient extends Disposable {
  /** Never throws: every outcome of a call is its answer. */
  call<Message extends object>(method: string, request: object): Promise<Answer<Message>>;
}

export interface LeanClientOptions {
  /** The URL of the http listener, read at every call: a restarted server has another one. */
  readonly url: () => string;
  /** Sent as `authorization: Bearer …`. */
  readonly credential: string;
  /** Sent with every call, in milliseconds. */
  readonly deadlineMs: number;
  /** How much later, by our own clock, an answer may come in. */
  readonly slackMs: number;
}

export function createLeanClient(options: LeanClientOptions): LeanClient {
  const { credential, deadlineMs, slackMs } = options;
  const headers = [
    "content-type: application/json",
    `authorization: Bearer ${credential}`,
    `connect-timeout-ms: ${deadlineMs}`,
  ].join("\r\n");
  const open = new Set<HttpConnection>();
  let idle: HttpConnection[] = [];
  let origin = "";
  let address = { host: "", port: 0 };

  function follow(url: string): void {
    if (url === origin) return;
    const { hostname, port } = new URL(url);
    [origin, address] = [url, { host: hostname, port: Number(port) }];
    for (const connection of idle) drop(connection);
    idle = [];
  }
  function take(): HttpConnection {
    for (let one = idle.pop(); one !== undefined; one = idle.pop()) {
      if (one.isOpen) return one;
      open.delete(one);
    }
    const connection = openHttpConnection(address);
    open.add(connection);
    return connection;
  }
  function drop(connection: HttpConnection): void {
    open.delete(connection);
    connection.destroy();
  }
  async function exchange(request: string): Promise<HttpAnswer | typeof PAST_DEADLINE> {
    const connection = take();
    const from = origin;
    const watch = watchFor(deadlineMs + slackMs);
    try {
      const answer = await Promise.race([connection.exchange(request), watch.late]);
      if (answer !== PAST_DEADLINE && connection.isOpen && from === origin) idle.push(connection);
      else drop(connection);
      return answer;
    } catch (error) {
      drop(connection);
      throw error;
    } finally {
      watch.stop();
    }
  }

  return {
    async call<Message extends object>(method: string, message: object): Promise<Answer<Message>> {
      follow(options.url());
      const body = JSON.stringify(message);
      const head = `POST /postern.auth.v1.AuthService/${method} HTTP/1.1\r\nhost: ${address.host}:${address.port}`;
      try {
        const answer = await exchange(
          `${head}\r\n${headers}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
        if (answer === PAST_DEADLINE) return { ok: false, reason: PAST_DEADLINE };
        if (answer.status === 200) return { ok: true, message: JSON.parse(answer.body) as Message };
        return { ok: false, reason: reasonIn(answer) };
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
        return { ok: false, reason: code };
      }
    },
    [Symbol.dispose]() {
      for (const connection of open) drop(connection);
    },
  };
}

/** Resolves so much later, but never before what came in until then has been read. */
function watchFor(ms: number) {
  const { promise, resolve } = Promise.withResolvers<typeof PAST_DEADLINE>();
  const timer = setTimeout(() => setImmediate(resolve, PAST_DEADLINE), ms);
  return { late: promise, stop: () => clearTimeout(timer) };
}

interface ErrorBody {
  readonly code: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

/** The reason of a refusal. An answer that is not a Connect error has its status as reason: `HTTP 503`. */
export function reasonIn({ status, body }: HttpAnswer): string {
  let error: Partial<ErrorBody>;
  try {
    error = JSON.parse(body);
  } catch {
    return `HTTP ${status}`;
  }
  const detail = error.details?.find(({ type }) => type === ErrorDetailSchema.typeName);
  if (detail === undefined) return error.code ?? `HTTP ${status}`;
  return Reason[fromBinary(ErrorDetailSchema, Buffer.from(detail.value, "base64")).reason];
}
