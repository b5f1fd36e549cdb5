import type { IncomingMessage, ServerResponse } from "node:http";
import { isRead, refuse, refuseMethod } from "../lib/refuse.ts";

/** `ready`: migrated, keys and revocations loaded; `draining`: the server stops, and still answers calls. */
export type Readiness = "not ready" | "ready" | "draining";

export interface OpsDeps {
  readonly readiness: () => Readiness;
  /** Whether Postgres answers now. It is reported only, and does not change readiness. */
  readonly isPostgresUp: () => Promise<boolean>;
  /** The same of Redis; undefined: there is none. */
  readonly isRedisUp: () => Promise<boolean> | undefined;
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
}

type Serve = (response: ServerResponse) => void | Promise<void>;

/** The operator's listener: `/livez`, `/readyz`, `/metrics`, read-only. */
export function createOpsRoutes(deps: OpsDeps) {
  const routes = new Map<string, Serve>([
    ["/livez", (response) => void response.setHeader("content-type", "text/plain").end("ok\n")],
    ["/readyz", (response) => serveReadiness(deps, response)],
    [
      "/metrics",
      async (response) => {
        const { contentType } = deps.metrics;
        response.setHeader("content-type", contentType).end(await deps.metrics.metrics());
      },
    ],
  ]);
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const serve = routes.get((request.url ?? "").split("?", 1)[0] ?? "");
    if (serve === undefined) refuse(response, 404);
    else if (!isRead(request)) refuseMethod(response, ["GET", "HEAD"]);
    else await serve(response);
  };
}

async function serveReadiness(deps: OpsDeps, response: ServerResponse): Promise<void> {
  const status = deps.readiness();
  const [postgres, redis] = await Promise.all([deps.isPostgresUp(), deps.isRedisUp()]);
  const stores = {
    postgres: word(postgres),
    ...(redis === undefined ? {} : { redis: word(redis) }),
  };
  response.writeHead(status === "ready" ? 200 : 503, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ status, stores })}\n`);
}

function word(isUp: boolean): "up" | "down" {
  return isUp ? "up" : "down";
}
