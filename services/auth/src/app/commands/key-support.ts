import { PosternError } from "../../domain/errors.ts";
import { activeKey, type KeyPolicy } from "../../domain/keys/key-policy.ts";
import { type KeyMaterial, MasterKeyError } from "../../domain/ports/key-material.ts";
import type { KeyPurpose, StoredKey } from "../../domain/ports/key-store.ts";
import { formatId, parseId } from "../../lib/type-id.ts";
import type { Context } from "../context.ts";
import {
  type Args,
  CommandError,
  embeddedOption,
  flag,
  type Option,
  textOption,
  UsageError,
} from "./command.ts";
import type { Io } from "./io.ts";
import { withContext } from "./with-context.ts";

const purposes = ["signing", "refresh"] as const;

/** The option of the commands that are about all keys of a purpose. */
export const purposeOption = {
  purpose: {
    type: "string",
    value: "P",
    choices: purposes,
    help: "`signing` (access tokens) or `refresh` (refresh tokens)",
  },
} as const satisfies Readonly<Record<string, Option>>;

export const keyOptions = { ...purposeOption, ...embeddedOption };

export function parsePurpose(args: Args): KeyPurpose | undefined {
  return purposes.find((purpose) => purpose === textOption(args, "purpose"));
}

/** @throws {UsageError} */
export function requirePurpose(args: Args): KeyPurpose {
  const purpose = parsePurpose(args);
  if (purpose === undefined) throw new UsageError("--purpose is required: `signing` or `refresh`");
  return purpose;
}

type KeyContext = Context & { readonly material: KeyMaterial; readonly keyPolicy: KeyPolicy };

/**
 * Gives `work` what the use cases of keys stand on.
 * @throws {CommandError} where a key cannot be opened with POSTERN_MASTER_KEY
 */
export function withKeys<T>(args: Args, io: Io, work: (context: KeyContext) => Promise<T>): Promise<T> {
  return withContext(io, { embedded: flag(args, "embedded") }, async (context, config) => {
    const { keyDeps } = await import("../key-deps.ts");
    try {
      return await work({ ...context, ...keyDeps(config) });
    } catch (error) {
      if (error instanceof MasterKeyError) throw new CommandError(error.message, { cause: error });
      throw error;
    }
  });
}

/** @throws {UsageError} where neither a key is named nor, of its purpose, the active one */
export function parseKey(args: Args): { readonly id: string } | { readonly purpose: KeyPurpose } {
  const [text] = args.positionals;
  const purpose = parsePurpose(args);
  if ((text === undefined) === (purpose === undefined)) {
    throw new UsageError("name one key by its id, or by --purpose the active one");
  }
  return purpose === undefined ? { id: parseKeyId(text ?? "") } : { purpose };
}

/** @throws {UsageError} */
export function parseKeyId(text: string | undefined): string {
  if (text === undefined) throw new UsageError("name a key by its id: `postern key list` shows them");
  const id = parseId("key", text);
  if (id === undefined)
    throw new UsageError("a key's id is `key_` and 26 characters: `postern key list` shows them");
  return id;
}

/** @throws {PosternError} `NOT_FOUND` */
export async function findKey(
  { keys }: Pick<Context, "keys">,
  named: ReturnType<typeof parseKey>,
): Promise<StoredKey> {
  const list = await keys.list();
  const key =
    "purpose" in named ? activeKey(list, named.purpose) : list.keys.find(({ id }) => id === named.id);
  if (key === undefined)
    throw new PosternError("NOT_FOUND", { message: "there is no such key, or it was removed" });
  return key;
}

/** All that is shown of a key. */
export function showKey(key: StoredKey, material: Pick<KeyMaterial, "masterKeyOf">) {
  const { purpose, alg, state, createdAt, activatedAt = null, retiredAt = null } = key;
  return {
    ...{ id: formatId("key", key.id), purpose, alg, state, createdAt, activatedAt, retiredAt },
    masterKey: material.masterKeyOf(key),
  };
}

/** The key as it stands now. */
export async function showKeyNow({ keys, material }: KeyContext, id: string) {
  return showKey(await findKey({ keys }, { id }), material);
}
