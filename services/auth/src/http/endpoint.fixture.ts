import type { RequestListener } from "node:http";
import { createCalls } from "../call/calls.ts";
import type { FinishedCall } from "../call/finished-call.ts";
import { createPathRouter } from "../lib/path-router.ts";
import { createEndpoints, type Endpoint } from "./endpoint.ts";

/** Serves endpoints as the server does; other paths are 404. @returns `finished`: the reports of all calls */
export function serveEndpoints(endpoints: readonly Endpoint[]) {
  const finished: FinishedCall[] = [];
  const calls = createCalls({
    authenticate: () => Promise.reject(new Error("authentication must not be reached")),
    isOverloaded: () => false,
    onAccepted() {},
    onFinished: (call) => finished.push(call),
    onShed() {},
  });
  const handlers = createEndpoints(endpoints, { calls, newRequestId: () => "request" });
  const router = createPathRouter(handlers, (_, response) => {
    response.writeHead(404);
    response.end();
  });
  return { handler: router as RequestListener, finished };
}
