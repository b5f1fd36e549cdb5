import { connect, type Socket } from "node:net";
import { callOf, flag, frameOf, opening, readFrame, setStream, type } from "../generators/http2-frames.ts";
import type { Target } from "../wire-forms.ts";

const messageHead = 5;

/**
 * A call of `WatchRevocations` by gRPC over its own bare socket: a thousand of them cost little compared with the server.
 *
 * @param onMessage receives each message, as Protobuf bytes
 * @param onFault receives the reason why the stream ended
 */
export function openWatchStream(
  target: Target,
  message: Uint8Array,
  onMessage: (message: Buffer) => void,
  onFault: (error: Error) => void,
): Socket {
  const { hostname, port } = new URL(target.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let received: Buffer = Buffer.alloc(0);
  let body: Buffer = Buffer.alloc(0);

  function take(): void {
    let from = 0;
    for (let read = readFrame(received, from); read !== undefined; read = readFrame(received, from)) {
      from = read.end;
      const { frame } = read;
      const isAck = (frame.flags & flag.ack) !== 0;
      if (frame.type === type.reset || frame.type === type.goAway) throw new Error("the server broke off");
      if (frame.type === type.settings && !isAck) {
        socket.write(frameOf({ ...frame, flags: flag.ack, payload: Buffer.alloc(0) }));
      } else if (frame.type === type.ping && !isAck) {
        socket.write(frameOf({ ...frame, flags: flag.ack }));
      } else if (frame.type === type.data || frame.type === type.headers) {
        if (frame.type === type.data) body = Buffer.concat([body, frame.payload]);
        if ((frame.flags & flag.endStream) !== 0) throw new Error("the stream has ended");
      }
    }
    received = received.subarray(from);
    while (body.length >= messageHead && body.length >= messageHead + body.readUInt32BE(1)) {
      const end = messageHead + body.readUInt32BE(1);
      onMessage(body.subarray(messageHead, end));
      body = body.subarray(end);
    }
  }

  socket.on("error", onFault).once("close", () => onFault(new Error("the server closed the connection")));
  socket.once("connect", () => {
    const call = callOf(target, message);
    setStream(call, 1);
    socket.write(Buffer.concat([opening(), call]));
  });
  socket.on("data", (piece) => {
    received = received.length === 0 ? piece : Buffer.concat([received, piece]);
    try {
      take();
    } catch (error) {
      onFault(error as Error);
      socket.destroy();
    }
  });
  return socket;
}
