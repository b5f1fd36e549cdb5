import { ConfigError } from "../../config/error.ts";
import type { KeyPolicy } from "../../domain/keys/key-policy.ts";
import { type KeyMaterial, MasterKeyError } from "../../domain/ports/key-material.ts";
import type { Stores } from "../../server/stores.ts";
import { type Args, flag } from "../command.ts";
import type { Io } from "../io.ts";
import { withStores } from "../server/with-stores.ts";

/** What the use cases of keys depend on. */
export type KeyContext = Stores & { readonly material: KeyMaterial; readonly keyPolicy: KeyPolicy };

/**
 * `withStores`, with the other dependencies of the use cases of keys.
 * @throws {ConfigError} if a key cannot be opened with POSTERN_MASTER_KEY
 */
export function withKeys<T>(args: Args, io: Io, work: (stores: KeyContext) => Promise<T>): Promise<T> {
  return withStores(io, { embedded: flag(args, "embedded") }, async (stores, config) => {
    const { keyDeps } = await import("../../server/key-deps.ts");
    try {
      return await work({ ...stores, ...keyDeps(config) });
    } catch (error) {
      if (error instanceof MasterKeyError)
        throw new ConfigError([{ setting: "POSTERN_MASTER_KEY", message: error.message }]);
      throw error;
    }
  });
}
