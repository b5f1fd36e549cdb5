import { connect } from "node:net";

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** A keep-alive HTTP/1.1 connection for one exchange at a time. It costs a third of `node:http`. */
export interface HttpConnection {
  /** Whether another exchange may follow. */
  readonly isOpen: boolean;
  /**
   * Sends a whole request and reads its answer.
   * @throws {Error} of the connection, with its `code`; `CLOSED` where the peer ended it before it had answered
   */
  exchange(request: string): Promise<HttpAnswer>;
  destroy(): void;
}

/** Connects with the first exchange, which also gets the connection error. */
export function openHttpConnection({ host, port }: { host: string; port: number }): HttpConnection {
  const socket = connect({ host, port, noDelay: true });
  let isOpen = true;
  let received: Buffer = Buffer.alloc(0);
  let waiting: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | undefined;

  function fail(error: Error): void {
    isOpen = false;
    waiting?.reject(error);
    waiting = undefined;
    socket.destroy();
  }
  socket.on("error", fail);
  const closed = () => fail(Object.assign(new Error("the peer closed the connection"), { code: "CLOSED" }));
  socket.on("end", closed).on("close", closed);
  socket.on("data", (piece) => {
    received = received.length === 0 ? piece : Buffer.concat([received, piece]);
    try {
      const answer = parseAnswer(received);
      if (answer === undefined) return;
      if (waiting === undefined || answer.length < received.length)
        throw new Error("an answer to no request");
      received = Buffer.alloc(0);
      if (answer.closes) isOpen = false;
      waiting.resolve(answer);
      waiting = undefined;
      if (!isOpen) socket.destroy();
    } catch (error) {
      fail(error as Error);
    }
  });
  return {
    get isOpen() {
      return isOpen;
    },
    async exchange(request) {
      if (waiting !== undefined) throw new Error("an exchange is under way");
      const answer = new Promise<HttpAnswer>((resolve, reject) => {
        waiting = { resolve, reject };
      });
      if (isOpen) socket.write(request);
      else closed();
      return answer;
    },
    destroy: () => socket.destroy(),
  };
}

/**
 * Reads the answer that these bytes begin with; undefined: there is more to come.
 * @throws {Error} where they are no answer of a known length
 */
export function parseAnswer(
  bytes: Buffer,
): (HttpAnswer & { readonly closes: boolean; readonly length: number }) | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = bytes.toString("latin1", 0, headEnd);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const body = /\r\ntransfer-encoding: *chunked/i.test(head)
    ? parseChunks(bytes, headEnd + 4)
    : parseLength(bytes, headEnd + 4, /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
  if (Number.isNaN(status)) throw new Error("no answer of HTTP/1.1");
  return body && { status, ...body, closes: /\r\nconnection: *close/i.test(head) };
}

function parseLength(bytes: Buffer, from: number, result: string | undefined) {
  if (result === undefined) throw new Error("an answer without a length");
  const length = from + Number(result);
  return bytes.length < length ? undefined : { body: bytes.toString("utf8", from, length), length };
}

function parseChunks(bytes: Buffer, from: number) {
  const pieces: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (Number.isNaN(size)) throw new Error("a chunk without a size");
    if (bytes.length < end) return undefined;
    if (size === 0) return { body: Buffer.concat(pieces).toString("utf8"), length: end };
    pieces.push(bytes.subarray(lineEnd + 2, end - 2));
    at = end;
  }
}
