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
 * An HTTP/2 connection, made when it is needed, and anew once it has ended or its end was announced. Idle, it keeps no
 * process alive. Connect's own manager may end the process where a GOAWAY meets a connection without streams.
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
    // A stream on a connection that does not come about would be told of its own end alone.
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

  /** Of the interface that Connect asks for; who reads a stream notices its silence himself. */
  notifyResponseByteRead(): void {}

  /** Breaks the connection off, with the streams on it. */
  abort(): void {
    this.#current?.session.destroy(new Error("the connection was broken off"));
    this.#current = undefined;
  }

  #connection(): Connection {
    const { session } = this.#current ?? {};
    if (this.#current !== undefined && !session?.closed && !session?.destroyed) return this.#current;
    const connection = { session: connect(this.authority), streams: 0 };
    const isOver = () => {
      if (this.#current === connection) this.#current = undefined;
    };
    // Its streams tell of the error.
    connection.session.on("error", isOver).on("goaway", isOver).on("close", isOver);
    this.#current = connection;
    return connection;
  }
}
