import type { NodeRequest } from "../lib/node-http.ts";

/** What a request says about its call before any of its body is read. */
export interface Arrival {
  readonly id: string;
  /** The socket, or the session over HTTP/2. */
  readonly connection: object;
  /** The values of every `authorization` header. Node's `headers` has only the first one. */
  readonly authorization: readonly string[];
}

/** @param newId makes a request ID if the caller sent none that can be logged as it is */
export function arrivalOf(request: NodeRequest, newId: () => string): Arrival {
  return {
    id: requestIdOf(request) ?? newId(),
    connection: "stream" in request ? (request.stream.session ?? request.stream) : request.socket,
    authorization: headerValues(request.rawHeaders, "authorization"),
  };
}

/** @param name in lower case */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}

function requestIdOf(request: NodeRequest): string | undefined {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : undefined;
}
