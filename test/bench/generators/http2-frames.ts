import type { Target } from "../wire-forms.ts";

/** Types and flags of frames (RFC 9113 section 6) that a client of unary calls has to know. */
export const type = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;

const headLength = 9;
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const largestWindow = 2 ** 31 - 1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frameOf({ type, flags, stream, payload }: Frame): Buffer {
  const head = Buffer.alloc(headLength);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What a client begins with: all windows so large that answers never wait for more of them. */
export function opening(): Buffer {
  const windows = Buffer.alloc(6);
  windows.writeUInt16BE(4, 0);
  windows.writeUInt32BE(largestWindow, 2);
  const more = Buffer.alloc(4);
  more.writeUInt32BE(largestWindow - 65_535, 0);
  return Buffer.concat([
    Buffer.from(preface),
    frameOf({ type: type.settings, flags: 0, stream: 0, payload: windows }),
    frameOf({ type: type.windowUpdate, flags: 0, stream: 0, payload: more }),
  ]);
}

/** The frames of a call, to be given the number of its stream by `setStream`. */
export function callOf(target: Target, message: Uint8Array): Buffer {
  const headers = headersOf(target);
  return Buffer.concat([
    frameOf({ type: type.headers, flags: flag.endHeaders, stream: 0, payload: headers }),
    frameOf({ type: type.data, flags: flag.endStream, stream: 0, payload: Buffer.from(message) }),
  ]);
}

/** Writes the number into the two frames of a call. */
export function setStream(call: Buffer, stream: number): void {
  call.writeUInt32BE(stream, 5);
  call.writeUInt32BE(stream, headLength + call.readUIntBE(0, 3) + 5);
}

/** The frame that the bytes begin with at `from`; undefined: there is more to come. */
export function readFrame(bytes: Buffer, from: number): { frame: Frame; end: number } | undefined {
  if (bytes.length < from + headLength) return undefined;
  const start = from + headLength;
  const end = start + bytes.readUIntBE(from, 3);
  if (bytes.length < end) return undefined;
  const frame = {
    type: bytes.readUInt8(from + 3),
    flags: bytes.readUInt8(from + 4),
    stream: bytes.readUInt32BE(from + 5) & 0x7fffffff,
    payload: bytes.subarray(start, end),
  };
  return { frame, end };
}

/** HPACK (RFC 7541) without its dynamic table: names from the static one where they are, values as they are. */
function headersOf({ url, path, credential }: Target): Buffer {
  const [methodPost, schemeHttp] = [0x83, 0x86];
  return Buffer.concat([
    Buffer.from([methodPost, schemeHttp]),
    ...[Buffer.from([0x04]), text(path)],
    ...[Buffer.from([0x01]), text(new URL(url).host)],
    ...[Buffer.from([0x0f, 31 - 15]), text("application/grpc+proto")],
    ...[Buffer.from([0x00]), text("te"), text("trailers")],
    ...(credential === undefined ? [] : [Buffer.from([0x0f, 23 - 15]), text(`Bearer ${credential}`)]),
  ]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length > 126) throw new RangeError("a header's value is too long for one byte of length");
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
