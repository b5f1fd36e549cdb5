import { createSocket } from "node:dgram";
import { once } from "node:events";
import { freePort } from "../ports.ts";

/**
 * Free ports of 127.0.0.1 that no other caller gets while our process runs, so that a server that
 * is down, or not up yet, finds its own free.
 */
export async function takePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freePort();
    if (await mark(port)) ports.push(port);
  }
  return ports;
}

/** The mark is the UDP port of the same number: any process of the machine sees it, and it ends with ours. */
async function mark(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  try {
    socket.bind({ port, address: "127.0.0.1", exclusive: true });
    await once(socket, "listening");
    socket.unref();
    return true;
  } catch {
    socket.close();
    return false;
  }
}
