// One listener in a separate process, with answers and bounds that the test chooses. On stdin: `drain`.
import { createInterface } from "node:readline";
import type { ListenerBounds } from "../../../services/auth/src/listen/listener-bounds.ts";
import { listenGrpc, listenHttp } from "../../../services/auth/src/listen/listeners.ts";
import { createPublicCalls } from "../../../services/auth/src/listen/public-calls.ts";
import type { StationLimits } from "./station.ts";

const [, , kind, bounds = "{}", limits = "{}"] = process.argv;
const { maxConnections = 100, slots = 10_000 } = JSON.parse(limits) as StationLimits;
const publicCalls = createPublicCalls(slots);
const listener = await (kind === "http" ? listenHttp : listenGrpc)(
  { host: "127.0.0.1", port: 0 },
  {
    maxConnections,
    publicCalls,
    bounds: JSON.parse(bounds) as Partial<ListenerBounds>,
  },
);
/**
 * `/<bytes>` answers with as many; `/open` writes one byte and stays open; `/later` is never answered; `/trust` accepts
 * the caller's credential; `/count` answers with the numbers of open and refused connections and of refused calls.
 */
listener.handle((request, response) => {
  const path = (request.url ?? "").slice(1);
  if (path === "later") return;
  if (path === "trust")
    publicCalls.trust("stream" in request ? (request.stream.session ?? {}) : request.socket);
  response.writeHead(200);
  if (path === "open") response.write("-");
  else if (path === "trust") response.end();
  else if (path === "count") response.end(JSON.stringify(counts()));
  else response.end(Buffer.alloc(Number(path)));
});
function counts() {
  const { open, refused } = listener.connections;
  return { open, refused, refusedCalls: publicCalls.refused };
}
process.stdout.write(`${listener.url}\n`);
const lines = createInterface(process.stdin);
// The test's process has ended.
lines.on("close", () => process.exit(1));
lines.on("line", async () => {
  const cut = setTimeout(() => listener.destroy(), 20_000);
  await listener.drain();
  clearTimeout(cut);
  process.exit(0);
});
