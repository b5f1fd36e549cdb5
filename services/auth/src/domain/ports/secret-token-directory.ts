import type { Caller } from "../caller/caller.ts";

/** A secret token of an internal client, as it is kept: its digest only. */
export interface SecretToken {
  /** Whose it is; two tokens may have one name while it is being changed. */
  readonly name: string;
  /** SHA-256 of the token's UTF-8 text, 32 bytes. */
  readonly sha256: Uint8Array;
  readonly caller: Caller;
}

/** Finds callers by their credential. */
export interface SecretTokenDirectory {
  /** Takes the same time wherever the credential stands, and if it stands nowhere. */
  find(credential: string): Caller | undefined;
}
