import { AsyncLocalStorage } from "node:async_hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import type { Exchange } from "./exchange.ts";

const exchanges = new AsyncLocalStorage<Exchange>();

/** Runs a call and records in its exchange whether a message was too large. Connect does not pass the call to a compression. */
export function withUnpacking<T>(exchange: Exchange, work: () => T): T {
  return exchanges.run(exchange, work);
}

export const gzip: Compression = {
  ...compressionGzip,
  async decompress(bytes, maxBytes) {
    try {
      return await compressionGzip.decompress(bytes, maxBytes);
    } catch (error) {
      const exchange = exchanges.getStore();
      const isTooLarge = ConnectError.from(error).code === Code.ResourceExhausted;
      if (exchange !== undefined && isTooLarge) exchange.isTooLarge = true;
      throw error;
    }
  },
};
