import { once } from "node:events";
import { connect } from "node:net";

/** One answer, as it stood on the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends bytes to a listener as they are, and reads until the server closes the connection.
 * @param text goes out byte by byte (latin1); a request in it must ask for `connection: close` or be refused
 */
export async function sendRaw(url: string, text: string): Promise<RawAnswer> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1" });
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => pieces.push(piece));
  // The server may answer and close before it has read everything.
  socket.on("error", () => {});
  socket.write(text, "latin1");
  await once(socket, "close");
  const answer = Buffer.concat(pieces).toString("latin1");
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  const [line = "", ...lines] = head.split("\r\n");
  const headers = lines.map((one) => {
    const colon = one.indexOf(":");
    return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()] as const;
  });
  return {
    status: Number(line.split(" ")[1] ?? 0),
    headers: Object.fromEntries(headers),
    body: rest.join("\r\n\r\n"),
  };
}
