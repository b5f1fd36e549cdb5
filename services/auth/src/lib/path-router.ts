import type { NodeHandler } from "./node-http.ts";

/** Finds the handler of a request by the exact path of its target, without the query. */
export function createPathRouter(
  routes: ReadonlyMap<string, NodeHandler>,
  notFound: NodeHandler,
): NodeHandler {
  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    (routes.get(path) ?? notFound)(request, response);
  };
}
