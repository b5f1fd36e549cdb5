import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { createPosternClient } from "../rpc/postern-client.ts";
import type { RevocationsOptions } from "./verifier-options.ts";

/** What a verifier asks Postern itself. */
export interface PosternConnection {
  /** Aborted, a stream takes an HTTP/2 connection with it: it may be what does not answer. */
  readonly watch: (cursor: string, signal: AbortSignal) => AsyncIterable<WatchRevocationsResponse>;
  /** @returns the token's id, where it is active */
  readonly introspect: (token: string) => Promise<string | undefined>;
}

const timeoutMs = 2_000;

/** Connects to nothing yet. */
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
