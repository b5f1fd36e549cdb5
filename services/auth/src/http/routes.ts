import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyRing } from "../domain/keys/key-ring.ts";
import { type ForwardAuthDeps, serveForwardAuth } from "./forward-auth.ts";
import { serveJwks } from "./jwks.ts";
import { metadataPaths, serveMetadata } from "./metadata.ts";
import { refuse } from "./refuse.ts";

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** What the http listener serves beside the RPCs; all of it may be read by anyone. */
export function createHttpRoutes(
  keyRing: Pick<KeyRing, "publicKeys">,
  issuer: string,
  forwardAuth: ForwardAuthDeps,
): Serve {
  const routes = new Map<string, Serve>([
    ["/.well-known/jwks.json", (request, response) => serveJwks(keyRing, request, response)],
  ]);
  for (const path of metadataPaths(issuer)) {
    routes.set(path, (request, response) => serveMetadata(issuer, request, response));
  }
  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const serve = routes.get(path);
    // Proxies ask with whatever method they like.
    if (path === "/forward-auth") {
      void serveForwardAuth(forwardAuth, request, response);
    } else if (serve === undefined) {
      refuse(response, 404);
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      refuse(response, 405);
    } else {
      serve(request, response);
    }
  };
}
