import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers with a status alone; a 503 says when to come again. */
export function refuse(response: ServerResponse, status: 400 | 401 | 403 | 404 | 500 | 503): void {
  if (status === 503) response.setHeader("retry-after", "1");
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
