import { timingSafeEqual } from "node:crypto";
import type { Caller } from "../domain/caller/caller.ts";
import type { SecretToken, SecretTokenDirectory } from "../domain/ports/secret-token-directory.ts";
import { sha256Of } from "../lib/sha256.ts";

/** A directory of tokens. A credential is compared with each of them. */
export function createSecretTokenDirectory(tokens: readonly SecretToken[]): SecretTokenDirectory {
  return {
    find(credential) {
      const digest = sha256Of(credential);
      let found: Caller | undefined;
      // No early exit: the time must not reveal the position of a match.
      for (const { sha256, caller } of tokens) {
        if (timingSafeEqual(sha256, digest)) found = caller;
      }
      return found;
    },
  };
}
