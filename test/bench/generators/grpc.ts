import { once } from "node:events";
import { connect } from "node:net";
import { quantileOf } from "../spread.ts";
import { callOf, flag, frameOf, opening, readFrame, setStream, type } from "./http2-frames.ts";
import { grpcConnections, inFlight, type Load, type Seen } from "./load.ts";

/** Maximum time without an answer. */
const silenceMs = 30_000;

/** gRPC with another message at every call, which no compiled generator at hand can send: frames over a bare socket. */
export async function grpc(load: Load): Promise<Seen> {
  const startMs = performance.now();
  const tookMs = await callAll(load, { connections: grpcConnections, streams: inFlight / grpcConnections });
  const seconds = (performance.now() - startMs) / 1_000;
  tookMs.sort((a, b) => a - b);
  return { seconds, p50Ms: quantileOf(tookMs, 0.5), p99Ms: quantileOf(tookMs, 0.99) };
}

/** Makes all calls; resolves to how long each took, in milliseconds, in the order of their ends. */
export async function callAll(
  load: Load,
  { connections, streams }: { readonly connections: number; readonly streams: number },
): Promise<number[]> {
  const calls = load.requests.map((message) => callOf(load, message));
  let sent = 0;
  function next(): Buffer | undefined {
    return sent < load.calls ? calls[sent++ % calls.length] : undefined;
  }
  const all = Array.from({ length: connections }, () => callOver(load.url, streams, next));
  return (await Promise.all(all)).flat();
}

/** Makes calls over one connection, so many at a time, until there is no next one. */
async function callOver(url: string, streams: number, next: () => Buffer | undefined): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startedMs = new Map<number, number>();
  const tookMs: number[] = [];
  let stream = -1;
  let received: Buffer = Buffer.alloc(0);

  function start(): void {
    const call = next();
    if (call === undefined) {
      if (startedMs.size === 0) resolve();
      return;
    }
    stream += 2;
    setStream(call, stream);
    startedMs.set(stream, performance.now());
    // The same bytes get another number when their turn comes again.
    socket.write(Buffer.from(call));
  }
  function take(piece: Buffer): void {
    received = received.length === 0 ? piece : Buffer.concat([received, piece]);
    let from = 0;
    for (let read = readFrame(received, from); read !== undefined; read = readFrame(received, from)) {
      from = read.end;
      const { frame } = read;
      const isAck = (frame.flags & flag.ack) !== 0;
      if (frame.type === type.reset || frame.type === type.goAway) {
        throw new Error(
          `the server broke off: a frame of type ${frame.type}, ${frame.payload.toString("hex")}`,
        );
      }
      if (frame.type === type.settings && !isAck) {
        socket.write(frameOf({ ...frame, flags: flag.ack, payload: Buffer.alloc(0) }));
      } else if (frame.type === type.ping && !isAck) {
        socket.write(frameOf({ ...frame, flags: flag.ack }));
      } else if (frame.type <= type.headers && (frame.flags & flag.endStream) !== 0) {
        tookMs.push(performance.now() - (startedMs.get(frame.stream) ?? Number.NaN));
        startedMs.delete(frame.stream);
        start();
      }
    }
    received = received.subarray(from);
  }

  socket.on("error", reject).once("close", () => reject(new Error("the server closed the connection")));
  socket.setTimeout(silenceMs, () => reject(new Error("the server has fallen silent")));
  socket.on("data", (piece) => {
    socket.cork();
    try {
      take(piece);
    } catch (error) {
      reject(error);
    } finally {
      socket.uncork();
    }
  });
  try {
    await Promise.race([once(socket, "connect"), promise]);
    socket.write(opening());
    for (let lane = 0; lane < streams; lane++) start();
    await promise;
    return tookMs;
  } finally {
    socket.destroy();
  }
}
