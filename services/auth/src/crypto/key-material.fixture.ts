import type { NewKey, StoredKey } from "../domain/ports/key-store.ts";

export const masterKey = Uint8Array.from({ length: 32 }, (_, i) => i + 33);
export const otherMasterKey = Uint8Array.from({ length: 32 }, (_, i) => 200 - i);

/** A key as a store returns it. */
export function stored(key: NewKey, changes: Partial<StoredKey> = {}): StoredKey {
  const times = { createdAt: new Date(0), activatedAt: new Date(0), retiredAt: undefined };
  return { ...key, number: 1, state: "active", ...times, ...changes };
}
