import { AsyncLocalStorage } from "node:async_hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";

/** The result of decompressing a call's messages. */
export interface Unpacking {
  tooLarge: boolean;
}

const unpackings = new AsyncLocalStorage<Unpacking>();

/** Runs a call and sets in `unpacking` whether a message was too large. Connect does not pass the call to a compression. */
export function withUnpacking<T>(unpacking: Unpacking, work: () => T): T {
  return unpackings.run(unpacking, work);
}

export const gzip: Compression = {
  ...compressionGzip,
  async decompress(bytes, maxBytes) {
    try {
      return await compressionGzip.decompress(bytes, maxBytes);
    } catch (error) {
      const unpacking = unpackings.getStore();
      const isTooLarge = ConnectError.from(error).code === Code.ResourceExhausted;
      if (unpacking !== undefined && isTooLarge) unpacking.tooLarge = true;
      throw error;
    }
  },
};
