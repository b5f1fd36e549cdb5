import { once } from "node:events";
import { connect, type Socket } from "node:net";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Frame types of RFC 9113, section 6. */
export const FRAME = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
} as const;

export interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;

/** A frame as it goes over the wire. */
export function encodeFrame({ type, flags, stream, payload }: Http2Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A SETTINGS frame with the initial window of each stream, if there is one. */
export function settings(initialWindow?: number): Buffer {
  const payload = Buffer.alloc(initialWindow === undefined ? 0 : 6);
  if (initialWindow !== undefined) {
    payload.writeUInt16BE(4, 0);
    payload.writeUInt32BE(initialWindow, 2);
  }
  return encodeFrame({ type: FRAME.settings, flags: 0, stream: 0, payload });
}

export const settingsAck = encodeFrame({
  type: FRAME.settings,
  flags: ACK,
  stream: 0,
  payload: Buffer.alloc(0),
});

export function pingAck(payload: Buffer): Buffer {
  return encodeFrame({ type: FRAME.ping, flags: ACK, stream: 0, payload });
}

export function ping(text = "12345678"): Buffer {
  return encodeFrame({ type: FRAME.ping, flags: 0, stream: 0, payload: Buffer.from(text) });
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes, 0);
  return encodeFrame({ type: FRAME.windowUpdate, flags: 0, stream, payload });
}

/** A HEADERS frame; each header is a literal that enters no table (RFC 7541, section 6.2.2). */
export function headers(
  stream: number,
  fields: Readonly<Record<string, string>>,
  { end }: { readonly end: boolean },
): Buffer {
  const block = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from([0]),
    text(name),
    text(value),
  ]);
  const flags = END_HEADERS | (end ? END_STREAM : 0);
  return encodeFrame({ type: FRAME.headers, flags, stream, payload: Buffer.concat(block) });
}

/** A whole GET. */
export function get(stream: number, path: string): Buffer {
  const fields = { ":method": "GET", ":scheme": "http", ":authority": "postern.test", ":path": path };
  return headers(stream, fields, { end: true });
}

/** The headers of a gRPC call, whose message may follow. */
export function grpcCall(stream: number, path: string, authorization?: string): Buffer {
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":authority": "postern.test",
    ":path": path,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...(authorization === undefined ? {} : { authorization }),
  };
  return headers(stream, fields, { end: false });
}

/** A DATA frame that ends the request. */
export function lastData(stream: number, payload: Uint8Array): Buffer {
  return encodeFrame({ type: FRAME.data, flags: END_STREAM, stream, payload: Buffer.from(payload) });
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length > 126) throw new RangeError("a longer text needs a longer prefix");
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** The other side of an HTTP/2 connection, whose client decides about every byte. */
export interface RawHttp2 extends Disposable {
  readonly socket: Socket;
  /** Frames that were read so far. */
  readonly frames: readonly Http2Frame[];
  write(...frames: readonly Uint8Array[]): void;
  /** Reads nothing more until `read` is called. */
  stopReading(): void;
  read(): void;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  readonly isClosed: () => boolean;
}

export interface RawHttp2Options {
  /** Sent after the preface; `undefined` leaves out the preface too. */
  readonly first?: Uint8Array | undefined;
  /** Called for each frame that is read; by default pings and settings are answered. */
  readonly onFrame?: (frame: Http2Frame, raw: RawHttp2) => void;
}

/** Answers SETTINGS and PING, as every client has to. */
export function answer(frame: Http2Frame, raw: RawHttp2): void {
  if ((frame.flags & ACK) !== 0) return;
  if (frame.type === FRAME.settings) raw.write(settingsAck);
  if (frame.type === FRAME.ping) raw.write(pingAck(frame.payload));
}

/** Answers no ping. */
export function deafToPings(frame: Http2Frame, raw: RawHttp2): void {
  if (frame.type !== FRAME.ping) answer(frame, raw);
}

/** GOAWAY frames so far. */
export function goaways(client: RawHttp2): readonly { readonly code: number; readonly last: number }[] {
  return client.frames
    .filter(({ type }) => type === FRAME.goaway)
    .map(({ payload }) => ({ code: payload.readUInt32BE(4), last: payload.readUInt32BE(0) }));
}

/** Codes of RST_STREAM frames so far. */
export function resets(client: RawHttp2): readonly number[] {
  return client.frames
    .filter(({ type }) => type === FRAME.resetStream)
    .map(({ payload }) => payload.readUInt32BE(0));
}

export async function connectRaw(url: string, options: RawHttp2Options = {}): Promise<RawHttp2> {
  const { first = settings(), onFrame = answer } = options;
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1" });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await once(socket, "connect");
  socket.on("error", () => {});
  const frames: Http2Frame[] = [];
  let rest = Buffer.alloc(0);
  const raw: RawHttp2 = {
    socket,
    frames,
    write(...parts) {
      if (!socket.destroyed) socket.write(Buffer.concat(parts));
    },
    stopReading: () => void socket.pause(),
    read: () => void socket.resume(),
    closed,
    isClosed: () => socket.destroyed,
    [Symbol.dispose]: () => socket.destroy(),
  };
  socket.on("data", (piece: Buffer) => {
    rest = Buffer.concat([rest, piece]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const length = rest.readUIntBE(0, 3);
      const frame = {
        type: rest.readUInt8(3),
        flags: rest.readUInt8(4),
        stream: rest.readUInt32BE(5) & 0x7fffffff,
        payload: rest.subarray(9, 9 + length),
      };
      rest = rest.subarray(9 + length);
      frames.push(frame);
      onFrame(frame, raw);
    }
  });
  if (options.first !== undefined || !("first" in options)) raw.write(preface, first);
  return raw;
}
