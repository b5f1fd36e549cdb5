import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyRing } from "../domain/keys/key-ring.ts";
import { serveJwks } from "./jwks.ts";
import { refuse } from "./refuse.ts";

/** What the http listener serves beside the RPCs. */
export function createHttpRoutes(keyRing: KeyRing) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== "/.well-known/jwks.json") {
      refuse(response, 404);
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      refuse(response, 405);
    } else {
      serveJwks(keyRing, request, response);
    }
  };
}
