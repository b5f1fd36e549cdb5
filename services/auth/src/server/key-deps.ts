import type { Config } from "../config/config.ts";
import { createKeyMaterial } from "../crypto/key-material.ts";
import type { KeyPolicy } from "../domain/keys/key-policy.ts";
import type { KeyMaterial } from "../domain/ports/key-material.ts";

/** What the use cases of keys depend on, apart from the stores. */
export function keyDeps({
  masterKeys,
  signingAlg,
  keyRotation,
  sessions,
}: Pick<Config, "masterKeys" | "signingAlg" | "keyRotation" | "sessions">): {
  readonly material: KeyMaterial;
  readonly keyPolicy: KeyPolicy;
} {
  return {
    material: createKeyMaterial({ masterKeys }),
    keyPolicy: { signingAlg, ...keyRotation, sessionTtlMs: sessions.sessionTtlMs },
  };
}
