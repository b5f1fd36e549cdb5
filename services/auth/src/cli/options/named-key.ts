import { AuthError } from "../../domain/errors.ts";
import { activeKey } from "../../domain/keys/key-policy.ts";
import type { KeyId } from "../../domain/ports/ids.ts";
import type { KeyPurpose, KeyStore, StoredKey } from "../../domain/ports/key-store.ts";
import { dropBlanks } from "../../lib/blanks.ts";
import { parseId } from "../../lib/type-id.ts";
import { type Args, UsageError } from "../command.ts";
import { parsePurpose } from "./key-options.ts";

/** How a command names a key: by its ID, or the active key by its purpose. */
export type NamedKey = { readonly id: KeyId } | { readonly purpose: KeyPurpose };

/** @throws {UsageError} unless exactly one of both is given */
export function parseKey(args: Args): NamedKey {
  const [text] = args.positionals;
  const purpose = parsePurpose(args);
  if ((text === undefined) === (purpose === undefined)) {
    throw new UsageError("name one key by its ID, or the active key by --purpose");
  }
  return purpose === undefined ? { id: parseKeyId(text ?? "") } : { purpose };
}

/** @throws {UsageError} */
export function parseKeyId(text: string | undefined): KeyId {
  if (text === undefined) throw new UsageError("name a key by its ID: `postern key list` shows them");
  const id = parseId("key", dropBlanks(text));
  if (id === undefined)
    throw new UsageError("a key's ID is `key_` and 26 characters: `postern key list` shows them");
  return id;
}

/** @throws {AuthError} `NOT_FOUND` */
export async function findKey(keys: Pick<KeyStore, "list">, named: NamedKey): Promise<StoredKey> {
  const list = await keys.list();
  const key =
    "purpose" in named ? activeKey(list, named.purpose) : list.keys.find(({ id }) => id === named.id);
  if (key === undefined)
    throw new AuthError("NOT_FOUND", { message: "there is no such key, or it was removed" });
  return key;
}
