import { createSharedRun } from "../../lib/shared-run.ts";
import { formatId } from "../../lib/type-id.ts";
import { PosternError } from "../errors.ts";
import { ownActor } from "../ports/actor.ts";
import type { NewId, Uuid } from "../ports/ids.ts";
import { type KeyMaterial, MasterKeyError, type RefreshKey, type SigningKey } from "../ports/key-material.ts";
import type { KeyList, KeyPurpose, KeyStore, PublicJwk, SigningAlg } from "../ports/key-store.ts";

/** The keys that this replica has open. */
export interface KeyRing {
  /**
   * Signs access tokens.
   * @throws PosternError `UNAVAILABLE` where the active key cannot be opened with this replica's master keys; so does
   * `refreshKey`
   */
  readonly signingKey: SigningKey;
  /** Makes the refresh tokens of sessions opened from now on. */
  readonly refreshKey: RefreshKey;
  /** Which keys these are (`KeyList.version`). */
  readonly version: Uuid;
  /** Every key that may have signed a living token or is about to sign, for JWKS. */
  readonly publicKeys: readonly PublicJwk[];
  /**
   * The key of a token; undefined where there is none by that name, at this moment, whichever replica made it.
   * @throws PosternError `UNAVAILABLE` when that cannot be known
   */
  findSigningKey(kid: string): Promise<SigningKey | undefined>;
  /** Whether this key is still in the ring: neither tainted nor removed. Looks nothing up. */
  holds(key: SigningKey): boolean;
  /** The key of a refresh token or a device token by its number; as `findSigningKey`. */
  findRefreshKey(number: number): Promise<RefreshKey | undefined>;
  /**
   * Sees to it that the keys are no older than what told this version of them.
   * @throws PosternError `UNAVAILABLE`
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
  /** A key that another replica has made cannot be opened here. */
  readonly onUnreadable: (error: MasterKeyError) => void;
}

interface OpenKeys {
  readonly version: Uuid;
  readonly signing: ReadonlyMap<string, SigningKey>;
  readonly refresh: ReadonlyMap<number, RefreshKey>;
  /** The same by its id: a database that was put back gives a number a second time. */
  readonly refreshById: ReadonlyMap<Uuid, RefreshKey>;
  readonly activeSigning: SigningKey | undefined;
  readonly activeRefresh: RefreshKey | undefined;
  /** Keys that cannot be opened: where there are any, of no other can be said that there is none. */
  readonly unreadable: ReadonlySet<Uuid>;
}

/** Names that nobody knows are looked up no more often than this, however many are shown. */
const lookEveryMs = 100;

/**
 * Opens the key ring; on an empty database it makes the first key of each purpose, of which the store keeps
 * exactly one however many replicas start at once.
 * @throws MasterKeyError where a key cannot be opened; no new one is made then
 */
export async function openKeyRing(deps: KeyRingDeps): Promise<KeyRing> {
  let open = await openFirst(deps);
  const reload = createSharedRun(async () => {
    open = openKeys(await deps.keys.list(), deps.material, open, deps.onUnreadable);
  });

  // Strangers may show any number of names: they share a look at the database, and the next one waits a moment.
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  const look = createSharedRun(async () => {
    const restMs = lookedAtMs + lookEveryMs - deps.monotonicMs();
    if (restMs > 0) await deps.pause(restMs);
    lookedAtMs = deps.monotonicMs();
    await reload();
  });

  async function follow(version: Uuid): Promise<void> {
    // Of a version that is older than the keys there is nothing to learn, and one reload shows that.
    if (version !== open.version) await reload();
  }

  async function find<K, V>(keysOf: (open: OpenKeys) => ReadonlyMap<K, V>, name: K): Promise<V | undefined> {
    const known = keysOf(open).get(name);
    if (known !== undefined) return known;
    await look();
    const found = keysOf(open).get(name);
    if (found === undefined && open.unreadable.size > 0) throw new PosternError("UNAVAILABLE");
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

/** @param before what is open already stays open, should its master key have gone meanwhile */
function openKeys(
  { version, keys }: KeyList,
  material: KeyRingDeps["material"],
  before: OpenKeys | undefined,
  onUnreadable: KeyRingDeps["onUnreadable"],
): OpenKeys {
  const signing = new Map<string, SigningKey>();
  const refresh = new Map<number, RefreshKey>();
  const refreshById = new Map<Uuid, RefreshKey>();
  let activeSigning: SigningKey | undefined;
  let activeRefresh: RefreshKey | undefined;
  const unreadable = new Set<Uuid>();
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
      // Told once: strangers may have the keys read as often as they like.
      if (before?.unreadable.has(key.id) !== true) onUnreadable(error);
    }
  }
  return { version, signing, refresh, refreshById, activeSigning, activeRefresh, unreadable };
}

function unavailable(): never {
  throw new PosternError("UNAVAILABLE");
}
