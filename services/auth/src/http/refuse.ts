import type { ServerResponse } from "node:http";

/** Answers with a status alone; a 503 says when to come again. */
export function refuse(response: ServerResponse, status: 400 | 401 | 403 | 404 | 405 | 500 | 503): void {
  if (status === 503) response.setHeader("retry-after", "1");
  response.writeHead(status).end();
}
