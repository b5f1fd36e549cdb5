import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers with a status and no body. A 503 says when to try again. */
export function refuse(response: ServerResponse, status: number): void {
  if (status === 503 && !response.hasHeader("retry-after")) response.setHeader("retry-after", "1");
  response.writeHead(status).end();
}

/** Answers 405 with the allowed methods of the resource (RFC 9110 section 15.5.6). */
export function refuseMethod(response: ServerResponse, allowed: readonly string[]): void {
  response.writeHead(405, { allow: allowed.join(", ") }).end();
}

/** Whether the method is `GET` or `HEAD`. For `HEAD`, Node omits the body. */
export function isRead({ method }: IncomingMessage): boolean {
  return method === "GET" || method === "HEAD";
}
