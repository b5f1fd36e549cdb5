import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { createPosternClient } from "../rpc/postern-client.ts";
import type { RevocationsOptions } from "./verifier-options.ts";

/** The calls of a verifier to Postern. */
export interface PosternConnection {
  /** If a stream is aborted, its HTTP/2 connection is closed too, because the connection may be the cause. */
  readonly watch: (cursor: string, signal: AbortSignal) => AsyncIterable<WatchRevocationsResponse>;
  /** @returns the token's ID, if the token is active */
  readonly introspect: (token: string) => Promise<string | undefined>;
}

const timeoutMs = 2_000;

/** Creates the client. It opens no connection. */
export function connectPostern(options: RevocationsOptions): PosternConnection {
  const { client, abort } = createPosternClient(options);
  return {
    watch(cursor, signal) {
      signal.addEventListener("abort", abort);
      return client.watchRevocations({ cursor }, { signal });
    },
    async introspect(token) {
      const { active, tokenId } = await client.introspect({ token }, { timeoutMs });
      return active ? tokenId : undefined;
    },
  };
}
