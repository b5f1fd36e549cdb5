import { hashSync, verifySync } from "@node-rs/argon2";
import { params } from "./argon2-params.ts";

/** Work for the pool. The password's bytes are transferred, not copied, and are overwritten at the end. */
export type Argon2Task =
  | { readonly kind: "hash"; readonly password: Uint8Array }
  | { readonly kind: "verify"; readonly password: Uint8Array; readonly hash: string };

/** Runs in a thread of the pool. @returns a PHC string, or whether the password matches */
export function run(task: Argon2Task): string | boolean {
  try {
    // Argon2id, version 19 and a random salt of 16 bytes are the library's defaults. TypeScript cannot use its const enums.
    return task.kind === "hash" ? hashSync(task.password, params) : verifySync(task.hash, task.password);
  } finally {
    task.password.fill(0);
  }
}
