import type { IncomingMessage, ServerResponse } from "node:http";
import { refuse } from "./refuse.ts";

/** `ready`: migrated, keys and revocations loaded; `draining`: told to stop, calls are still answered. */
export type Readiness = "not ready" | "ready" | "draining";

export interface OpsDeps {
  readonly readiness: () => Readiness;
  /** Whether Postgres answers at once; told, not decided on. */
  readonly isPostgresUp: () => Promise<boolean>;
  /** The same of Redis; undefined: there is none. */
  readonly isRedisUp: () => Promise<boolean> | undefined;
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
}

/** The operator's listener: `/livez`, `/readyz`, `/metrics`. */
export function createOpsRoutes(deps: OpsDeps) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    switch ((request.url ?? "").split("?", 1)[0]) {
      case "/livez":
        response.setHeader("content-type", "text/plain").end("ok\n");
        return;
      case "/readyz": {
        const status = deps.readiness();
        const [postgres, redis] = await Promise.all([deps.isPostgresUp(), deps.isRedisUp()]);
        const stores = {
          postgres: word(postgres),
          ...(redis === undefined ? {} : { redis: word(redis) }),
        };
        response.writeHead(status === "ready" ? 200 : 503, { "content-type": "application/json" });
        response.end(`${JSON.stringify({ status, stores })}\n`);
        return;
      }
      case "/metrics":
        response.setHeader("content-type", deps.metrics.contentType).end(await deps.metrics.metrics());
        return;
      default:
        refuse(response, 404);
    }
  };
}

function word(isUp: boolean): "up" | "down" {
  return isUp ? "up" : "down";
}
