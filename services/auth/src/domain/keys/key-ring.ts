import { createSharedRun } from "../../lib/shared-run.ts";
import { formatId } from "../../lib/type-id.ts";
import { AuthError } from "../errors.ts";
import { ownActor } from "../ports/actor.ts";
import type { KeyId, NewId, Uuid } from "../ports/ids.ts";
import { type KeyMaterial, MasterKeyError, type RefreshKey, type SigningKey } from "../ports/key-material.ts";
import type { KeyList, KeyPurpose, KeyStore, PublicJwk, SigningAlg } from "../ports/key-store.ts";

/** The keys that this replica has open. */
export interface KeyRing {
  /**
   * Signs access tokens.
   * @throws AuthError `UNAVAILABLE` if the active key cannot be opened with this replica's master keys
   */
  readonly signingKey: SigningKey;
  /**
   * Makes the refresh tokens of new sessions.
   * @throws AuthError as `signingKey` does
   */
  readonly refreshKey: RefreshKey;
  /** The version of the keys (`KeyList.version`). */
  readonly version: Uuid;
  /** Every key that is prepared or may have signed an active token, for JWKS. */
  readonly publicKeys: readonly PublicJwk[];
  /**
   * The key of a token, whichever replica made it. Undefined if there is no such key now.
   * @throws AuthError `UNAVAILABLE` if the key cannot be looked up
   */
  findSigningKey(kid: string): Promise<SigningKey | undefined>;
  /** Whether this key is still in the ring: neither tainted nor removed. Looks nothing up. */
  holds(key: SigningKey): boolean;
  /** As `findSigningKey`, for the key of a refresh token or a device token by its number. */
  findRefreshKey(number: number): Promise<RefreshKey | undefined>;
  /**
   * Loads the keys if they have another version. Afterwards they are no older than the statement that returned it.
   * @throws AuthError `UNAVAILABLE`
   */
  follow(version: Uuid): Promise<void>;
}

export interface KeyRingDeps {
  readonly keys: Pick<KeyStore, "list" | "addFirst">;
  readonly material: Pick<KeyMaterial, "generate" | "openSigningKey" | "openRefreshKey">;
  readonly newId: NewId;
  readonly signingAlg: SigningAlg;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  readonly pause: (ms: number) => Promise<unknown>;
  /** This replica cannot open a key that another replica has made. */
  readonly onUnreadable: (error: MasterKeyError) => void;
}

interface OpenKeys {
  readonly version: Uuid;
  readonly signing: ReadonlyMap<string, SigningKey>;
  readonly refresh: ReadonlyMap<number, RefreshKey>;
  /** The same by id: a restored database may assign a number a second time. */
  readonly refreshById: ReadonlyMap<KeyId, RefreshKey>;
  readonly activeSigning: SigningKey | undefined;
  readonly activeRefresh: RefreshKey | undefined;
  /** Keys that cannot be opened. While there are any, an unknown key may be one of them. */
  readonly unreadable: ReadonlySet<KeyId>;
}

/** Minimum time between two look-ups of unknown keys, however many tokens name them. */
const lookUpEveryMs = 100;

/**
 * Opens the key ring. On an empty database it makes the first key of each purpose. The store keeps exactly one of each,
 * even if several replicas start at the same time.
 * @throws MasterKeyError if a key cannot be opened; no key is made then
 */
export async function openKeyRing(deps: KeyRingDeps): Promise<KeyRing> {
  let open = await openFirst(deps);
  const reload = createSharedRun(async () => {
    open = openKeys(await deps.keys.list(), deps.material, open, deps.onUnreadable);
  });

  // An attacker can send tokens with any number of unknown keys. They share look-ups, which are limited in rate.
  let lookedUpAtMs = Number.NEGATIVE_INFINITY;
  const lookUp = createSharedRun(async () => {
    const delayMs = lookedUpAtMs + lookUpEveryMs - deps.monotonicMs();
    if (delayMs > 0) await deps.pause(delayMs);
    lookedUpAtMs = deps.monotonicMs();
    await reload();
  });

  async function follow(version: Uuid): Promise<void> {
    // The other version may be older than the keys. Then one reload changes nothing.
    if (version !== open.version) await reload();
  }

  async function find<K, V>(keysOf: (open: OpenKeys) => ReadonlyMap<K, V>, name: K): Promise<V | undefined> {
    const known = keysOf(open).get(name);
    if (known !== undefined) return known;
    await lookUp();
    const found = keysOf(open).get(name);
    if (found === undefined && open.unreadable.size > 0) throw new AuthError("UNAVAILABLE");
    return found;
  }

  return {
    get version() {
      return open.version;
    },
    get signingKey() {
      return open.activeSigning ?? unavailable();
    },
    get refreshKey() {
      return open.activeRefresh ?? unavailable();
    },
    get publicKeys() {
      return [...open.signing.values()].map((key) => key.publicJwk);
    },
    findSigningKey: (kid) => find(({ signing }) => signing, kid),
    findRefreshKey: (number) => find(({ refresh }) => refresh, number),
    holds: (key) => open.signing.get(key.kid) === key,
    follow,
  };
}

async function openFirst(deps: KeyRingDeps): Promise<OpenKeys> {
  const strict = (error: MasterKeyError): never => {
    throw error;
  };
  const load = async () => openKeys(await deps.keys.list(), deps.material, undefined, strict);
  const open = await load();
  if (open.activeSigning !== undefined && open.activeRefresh !== undefined) return open;
  const purposes: readonly KeyPurpose[] = ["signing", "refresh"];
  for (const purpose of purposes) {
    await deps.keys.addFirst(await deps.material.generate(purpose, deps.newId(), deps.signingAlg), ownActor);
  }
  return await load();
}

/** @param before keys that are open already; they stay open even if their master key is no longer configured */
function openKeys(
  { version, keys }: KeyList,
  material: KeyRingDeps["material"],
  before: OpenKeys | undefined,
  onUnreadable: KeyRingDeps["onUnreadable"],
): OpenKeys {
  const signing = new Map<string, SigningKey>();
  const refresh = new Map<number, RefreshKey>();
  const refreshById = new Map<KeyId, RefreshKey>();
  let activeSigning: SigningKey | undefined;
  let activeRefresh: RefreshKey | undefined;
  const unreadable = new Set<KeyId>();
  for (const key of keys) {
    if (key.state === "tainted") continue;
    try {
      if (key.purpose === "signing") {
        const opened = before?.signing.get(formatId("key", key.id)) ?? material.openSigningKey(key);
        signing.set(opened.kid, opened);
        if (key.state === "active") activeSigning = opened;
      } else {
        const opened = before?.refreshById.get(key.id) ?? material.openRefreshKey(key);
        refresh.set(opened.number, opened);
        refreshById.set(key.id, opened);
        if (key.state === "active") activeRefresh = opened;
      }
    } catch (error) {
      if (!(error instanceof MasterKeyError)) throw error;
      unreadable.add(key.id);
      // Reported once only: an attacker can make the ring reload as often as the rate of look-ups allows.
      if (before?.unreadable.has(key.id) !== true) onUnreadable(error);
    }
  }
  return { version, signing, refresh, refreshById, activeSigning, activeRefresh, unreadable };
}

function unavailable(): never {
  throw new AuthError("UNAVAILABLE");
}
