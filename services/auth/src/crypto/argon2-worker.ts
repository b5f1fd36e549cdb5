import { hashSync, verifySync } from "@node-rs/argon2";
import { params } from "./argon2-params.ts";

/** Work for the pool. The password's bytes are handed over, not copied, and are wiped when it is done. */
export type Argon2Task =
  | { readonly kind: "hash"; readonly password: Uint8Array }
  | { readonly kind: "verify"; readonly password: Uint8Array; readonly hash: string };

/** What a thread of the pool runs. @returns a PHC string, or whether the password fits */
export function run(task: Argon2Task): string | boolean {
  try {
    // Argon2id, version 19 and a random salt of 16 bytes are the library's defaults; its enums have no
    // value at run time that TypeScript lets be used.
    return task.kind === "hash" ? hashSync(task.password, params) : verifySync(task.hash, task.password);
  } finally {
    task.password.fill(0);
  }
}
