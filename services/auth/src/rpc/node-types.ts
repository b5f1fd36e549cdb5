import type { connectNodeAdapter } from "@connectrpc/connect-node";

/** A listener of Node's http and http2 servers, as Connect types it without exporting the name. */
export type NodeHandler = ReturnType<typeof connectNodeAdapter>;
export type NodeRequest = Parameters<NodeHandler>[0];
export type NodeResponse = Parameters<NodeHandler>[1];
