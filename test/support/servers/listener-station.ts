// One listener in a process of its own, with answers and bounds of a test's choice. On stdin: `drain`.
import { createInterface } from "node:readline";
import type { ListenerBounds } from "../../../services/auth/src/app/listener-bounds.ts";
import { listenGrpc, listenHttp } from "../../../services/auth/src/app/listeners.ts";
import { createPublicCalls } from "../../../services/auth/src/app/public-calls.ts";

const [, , kind, bounds = "{}"] = process.argv;
const listener = await (kind === "http" ? listenHttp : listenGrpc)(
  { host: "127.0.0.1", port: 0 },
  {
    maxConnections: 100,
    publicCalls: createPublicCalls(10_000),
    bounds: JSON.parse(bounds) as Partial<ListenerBounds>,
  },
);
/** `/<bytes>` answers with as many; `/open` writes one byte and stays open; `/later` is never answered. */
listener.handle((request, response) => {
  const path = (request.url ?? "").slice(1);
  if (path === "later") return;
  response.writeHead(200);
  if (path === "open") response.write("-");
  else response.end(Buffer.alloc(Number(path)));
});
process.stdout.write(`${listener.url}\n`);
const lines = createInterface(process.stdin);
// The test's process has ended, in whatever way.
lines.on("close", () => process.exit(1));
lines.on("line", async () => {
  const cut = setTimeout(() => listener.destroy(), 20_000);
  await listener.drain();
  clearTimeout(cut);
  process.exit(0);
});
