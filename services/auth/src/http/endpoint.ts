import type { IncomingMessage, ServerResponse } from "node:http";
import { accessTable, requireRules } from "../call/access-table.ts";
import { type Arrival, arrivalOf } from "../call/arrival.ts";
import type { Call } from "../call/call.ts";
import type { Calls } from "../call/calls.ts";
import { AuthError, reasons } from "../domain/errors.ts";
import { withDeadline } from "../lib/deadline.ts";
import type { NodeHandler } from "../lib/node-http.ts";
import { isRead, refuse, refuseMethod } from "../lib/refuse.ts";

/** What is served at a path by plain HTTP. */
export interface Endpoint {
  /** Its name in the access table, the log and the metrics. */
  readonly operation: string;
  readonly paths: ReadonlySet<string>;
  /** `read`: GET and HEAD. */
  readonly methods: "any" | "read";
  /**
   * Answers the request. If it throws, the answer is the HTTP status of the error's reason.
   * @throws {AuthError}
   */
  serve(call: Call, request: IncomingMessage, response: ServerResponse): void | Promise<void>;
}

export interface EndpointsOptions {
  readonly calls: Calls;
  readonly newRequestId: () => string;
}

/** The longest that an answer may take. */
const maxTimeoutMs = 10_000;

/**
 * @returns handlers by path
 * @throws {Error} if an endpoint has no row in the access table
 */
export function createEndpoints(
  endpoints: readonly Endpoint[],
  options: EndpointsOptions,
): ReadonlyMap<string, NodeHandler> {
  requireRules(endpoints.map(({ operation }) => operation));
  return new Map(
    endpoints.flatMap((endpoint) => {
      // Node's two servers have responses of different types, which behave alike here.
      const handler = toNodeHandler(endpoint, options) as unknown as NodeHandler;
      return [...endpoint.paths].map((path) => [path, handler] as const);
    }),
  );
}

function toNodeHandler({ operation, methods, serve }: Endpoint, { calls, newRequestId }: EndpointsOptions) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // No endpoint reads a body.
    request.resume();
    if (methods === "read" && !isRead(request)) {
      refuseMethod(response, ["GET", "HEAD"]);
      return;
    }
    if (calls.isOverloaded(operation)) {
      calls.onShed(operation);
      refuseWith(response, new AuthError("OVERLOADED"));
      return;
    }
    const call = calls.open(operation, callerArrival(operation, arrivalOf(request, newRequestId)));
    const ended = endOf(response);
    try {
      await withDeadline(performance.now() + maxTimeoutMs, async () => {
        await call.admit();
        // While the call waited, the listener may have refused it.
        if (response.headersSent) throw new AuthError("OVERLOADED");
        await serve(call.start(ended), request, response);
      });
      call.finish();
    } catch (error) {
      call.finish(error);
      if (!response.headersSent) refuseWith(response, error);
    }
  };
}

/** In a public operation the credential is not the caller's: `/forward-auth` judges it, the others do not read it. */
function callerArrival(operation: string, arrival: Arrival): Arrival {
  return accessTable.get(operation) === "public" ? { ...arrival, authorization: [] } : arrival;
}

/** Aborted at the deadline, and when the answer is sent or its client hung up. */
function endOf(response: ServerResponse): AbortSignal {
  const ended = new AbortController();
  const deadline = setTimeout(() => ended.abort(), maxTimeoutMs);
  response.once("close", () => {
    clearTimeout(deadline);
    ended.abort();
  });
  return ended.signal;
}

function refuseWith(response: ServerResponse, error: unknown): void {
  const { reason, retryAfterMs } = error instanceof AuthError ? error : new AuthError("INTERNAL");
  if (retryAfterMs !== undefined) response.setHeader("retry-after", Math.ceil(retryAfterMs / 1_000));
  refuse(response, reasons[reason].httpStatus);
}
