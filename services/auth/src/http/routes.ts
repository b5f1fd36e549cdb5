import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyRing } from "../domain/keys/key-ring.ts";
import { isRead, refuse, refuseMethod } from "../lib/refuse.ts";
import { type ForwardAuthDeps, serveForwardAuth } from "./forward-auth.ts";
import { jwksPaths, serveJwks } from "./jwks.ts";
import { metadataPaths, serveMetadata } from "./metadata.ts";

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Everything that the http listener serves except RPCs. All of it is public.
 * @returns a handler; its last argument handles all other paths and answers 404 by default
 */
export function createHttpRoutes(
  keyRing: Pick<KeyRing, "publicKeys">,
  issuer: string,
  forwardAuth: ForwardAuthDeps,
) {
  const routes = new Map<string, Serve>();
  for (const path of jwksPaths(issuer)) {
    routes.set(path, (request, response) => serveJwks(keyRing, request, response));
  }
  for (const path of metadataPaths(issuer)) {
    routes.set(path, (request, response) => serveMetadata(issuer, request, response));
  }
  return (
    request: IncomingMessage,
    response: ServerResponse,
    refuseUnknown: () => void = () => refuse(response, 404),
  ): void => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const serve = routes.get(path);
    // Proxies ask with whatever method they like.
    if (path === "/forward-auth") void serveForwardAuth(forwardAuth, request, response);
    else if (serve === undefined) refuseUnknown();
    else if (!isRead(request)) refuseMethod(response, ["GET", "HEAD"]);
    else serve(request, response);
  };
}
