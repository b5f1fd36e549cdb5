import type { IncomingMessage, ServerResponse } from "node:http";
import { refuse } from "./refuse.ts";

export interface OpsDeps {
  /** Migrated, keys and revocations loaded, not draining. */
  readonly isReady: () => boolean;
  /** Whether Postgres answers at once; told, not decided on. */
  readonly isPostgresUp: () => Promise<boolean>;
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
        const postgres = (await deps.isPostgresUp()) ? "up" : "down";
        response.writeHead(ready ? 200 : 503, { "content-type": "application/json" });
        response.end(`${JSON.stringify({ status: ready ? "ready" : "not ready", stores: { postgres } })}\n`);
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
