// `GET /orders` requires the scope `orders.read`. `GET /healthz` is for the platform.
import { createServer, type IncomingMessage } from "node:http";
import { authenticateRequest, createVerifier, demandScope, refusalOf } from "@postern/client";

const {
  ISSUER = "http://127.0.0.1:8080",
  AUDIENCE = "postern-demo",
  TOKEN = "",
  PORT = "3000",
} = process.env;

const log = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const verifier = createVerifier({
  issuer: ISSUER,
  audience: AUDIENCE,
  // Change this if services reach Postern at another address than the issuer's.
  revocations: { baseUrl: ISSUER, token: TOKEN },
  onEvent: (event) =>
    log({ postern: event.kind, ...("error" in event ? { error: String(event.error) } : {}) }),
});

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object;
}

async function answer(request: IncomingMessage): Promise<Answer> {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/healthz") {
    const { feed, lagMs } = verifier.state;
    return { status: feed === "synced" ? 200 : 503, body: { feed, lagMs } };
  }
  // Before any other answer, also for unknown paths.
  const caller = await authenticateRequest(verifier, request.headersDistinct["authorization"]);
  if (pathname !== "/orders") return { status: 404, body: {} };
  demandScope(caller, "orders.read");
  return { status: 200, body: { orders: [], of: caller.subject } };
}

const server = createServer(async (request, response) => {
  const { status, headers, body } = await answer(request).catch((error: unknown): Answer => {
    const refusal = refusalOf(error);
    if (refusal !== undefined) return refusal;
    log({ fault: String(error) });
    return { status: 500, body: {} };
  });
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
});

await verifier.ready;
server.listen(Number(PORT), () => log({ listening: PORT }));

process.once("SIGTERM", () => {
  server.close(() => void verifier.close());
});
