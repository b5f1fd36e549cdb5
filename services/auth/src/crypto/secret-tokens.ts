import { createHash, timingSafeEqual } from "node:crypto";
import type { Caller } from "../domain/access/caller.ts";
import type { SecretToken, SecretTokenDirectory } from "../domain/ports/secret-token-directory.ts";

/** SHA-256 of the UTF-8 text, 32 bytes: how secret tokens are kept and compared. */
export function digestSecret(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text, "utf8").digest());
}

/** A directory of the tokens given; a credential is compared with every one of them. */
export function createSecretTokenDirectory(tokens: readonly SecretToken[]): SecretTokenDirectory {
  return {
    find(credential) {
      const digest = digestSecret(credential);
      let found: Caller | undefined;
      // No early exit: the time must not tell how far down the list a match stands.
      for (const { sha256, caller } of tokens) {
        if (timingSafeEqual(sha256, digest)) found = caller;
      }
      return found;
    },
  };
}
