import type { Caller } from "../caller/caller.ts";

/** A secret token of an internal client. Only its digest is stored. */
export interface SecretToken {
  /** The caller's name. Two tokens may have the same name during a rotation. */
  readonly name: string;
  /** SHA-256 of the token's UTF-8 text, 32 bytes. */
  readonly sha256: Uint8Array;
  readonly caller: Caller;
}

/** Finds callers by their credential. */
export interface SecretTokenDirectory {
  /** Takes the same time for every position of the credential, and if there is none. */
  find(credential: string): Caller | undefined;
}
