import type { KeyId } from "../../domain/ports/ids.ts";
import type { KeyMaterial } from "../../domain/ports/key-material.ts";
import type { StoredKey } from "../../domain/ports/key-store.ts";
import { formatId } from "../../lib/type-id.ts";
import { findKey } from "../options/named-key.ts";
import type { KeyContext } from "./with-keys.ts";

/** What commands show of a key. */
export function showKey(key: StoredKey, material: Pick<KeyMaterial, "masterKeyOf">) {
  const { purpose, alg, state, createdAt, activatedAt = null, retiredAt = null } = key;
  return {
    id: formatId("key", key.id),
    purpose,
    alg,
    state,
    createdAt,
    activatedAt,
    retiredAt,
    masterKey: material.masterKeyOf(key),
  };
}

/** The key in its current state. @throws {AuthError} `NOT_FOUND` */
export async function showKeyNow({ keys, material }: KeyContext, id: KeyId) {
  return showKey(await findKey(keys, { id }), material);
}
