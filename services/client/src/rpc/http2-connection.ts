import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";

interface Connection {
  readonly session: ClientHttp2Session;
  streams: number;
}

/**
 * An HTTP/2 connection that is opened when a request needs it, and replaced after a GOAWAY or its end. While it is idle, it
 * does not keep the process alive. Connect's own session manager can crash the process if a GOAWAY arrives on a connection
 * without streams.
 */
export class Http2Connection {
  /** Scheme, host and port. */
  readonly authority: string;
  #current: Connection | undefined;

  constructor(url: string) {
    this.authority = new URL(url).origin;
  }

  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    const connection = this.#connection();
    // If the connection fails first, a stream on it reports only that it was closed, not why.
    if (connection.session.connecting) await once(connection.session, "connect");
    const stream = connection.session.request({ ...headers, ":method": method, ":path": path });
    connection.streams += 1;
    connection.session.ref();
    stream.once("close", () => {
      connection.streams -= 1;
      if (connection.streams === 0) connection.session.unref();
    });
    return stream;
  }

  /** Part of Connect's interface. Nothing to do: the reader of a stream has its own timeout. */
  notifyResponseByteRead(): void {}

  /** Closes the connection and all its streams. */
  abort(): void {
    this.#current?.session.destroy(new Error("the connection was aborted"));
    this.#current = undefined;
  }

  #connection(): Connection {
    const { session } = this.#current ?? {};
    if (this.#current !== undefined && !session?.closed && !session?.destroyed) return this.#current;
    const connection = { session: connect(this.authority), streams: 0 };
    const isOver = () => {
      if (this.#current === connection) this.#current = undefined;
    };
    // The streams report the error.
    connection.session.on("error", isOver).on("goaway", isOver).on("close", isOver);
    this.#current = connection;
    return connection;
  }
}
