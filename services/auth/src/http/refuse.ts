import type { ServerResponse } from "node:http";

/** Answers with a status alone; a 503 says when to come again. */
export function refuse(response: ServerResponse, status: 404 | 405 | 503): void {
  if (status === 503) response.setHeader("retry-after", "1");
  response.writeHead(status).end();
}
