import type { IncomingMessage, ServerResponse } from "node:http";
import { refuse } from "./refuse.ts";

export interface OpsDeps {
  /** Migrated, keys and revocations loaded, not draining. */
  readonly isReady: () => boolean;
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
        const ready = deps.isReady();
        const [postgres, redis] = await Promise.all([deps.isPostgresUp(), deps.isRedisUp()]);
        const stores = {
          postgres: word(postgres),
          ...(redis === undefined ? {} : { redis: word(redis) }),
        };
        response.writeHead(ready ? 200 : 503, { "content-type": "application/json" });
        response.end(`${JSON.stringify({ status: ready ? "ready" : "not ready", stores })}\n`);
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
