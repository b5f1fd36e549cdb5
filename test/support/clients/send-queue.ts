import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** Bytes that the other side of a loopback connection has given to its kernel and that ours has not taken. */
export function peerSendQueue(socket: Socket): number {
  const [local, remote] = [hexPort(socket.localPort), hexPort(socket.remotePort)];
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, from = "", to = "", , queues = ""] = line.trim().split(/\s+/);
    if (from.endsWith(`:${remote}`) && to.endsWith(`:${local}`)) return Number.parseInt(queues, 16);
  }
  throw new Error("the connection is gone");
}

function hexPort(port: number | undefined): string {
  return (port ?? 0).toString(16).toUpperCase().padStart(4, "0");
}
