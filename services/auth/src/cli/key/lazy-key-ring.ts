import { setTimeout as wait } from "node:timers/promises";
import { ConfigError } from "../../config/error.ts";
import { type KeyRing, openKeyRing } from "../../domain/keys/key-ring.ts";
import { MasterKeyError } from "../../domain/ports/key-material.ts";
import type { ReadyConfig } from "../../server/embedded-config.ts";
import type { Stores } from "../../server/stores.ts";

/**
 * Opens keys at the first use, so that a command that needs none works without the master key.
 * @throws {ConfigError} at a use, if a key cannot be opened
 */
export function lazyKeyRing(
  { keys, newId }: Pick<Stores, "keys" | "newId">,
  config: ReadyConfig,
): Pick<KeyRing, "findSigningKey" | "findRefreshKey"> {
  let opening: Promise<KeyRing> | undefined;
  async function open(): Promise<KeyRing> {
    const { keyDeps } = await import("../../server/key-deps.ts");
    const { material } = keyDeps(config);
    try {
      return await openKeyRing({
        keys,
        material,
        newId,
        signingAlg: config.signingAlg,
        monotonicMs: () => performance.now(),
        pause: wait,
        onUnreadable(error) {
          throw error;
        },
      });
    } catch (error) {
      if (error instanceof MasterKeyError)
        throw new ConfigError([{ setting: "POSTERN_MASTER_KEY", message: error.message }]);
      throw error;
    }
  }
  const ring = () => {
    opening ??= open();
    return opening;
  };
  return {
    findSigningKey: async (kid) => (await ring()).findSigningKey(kid),
    findRefreshKey: async (number) => (await ring()).findRefreshKey(number),
  };
}
