import { PosternError } from "../errors.ts";
import type { NewId } from "../ports/ids.ts";
import type { KeyMaterial, RefreshKey, SigningKey } from "../ports/key-material.ts";
import type { KeyPurpose, KeyStore, PublicJwk, SigningAlg } from "../ports/key-store.ts";

/** The keys that this replica has open. */
export interface KeyRing {
  /** Signs access tokens. */
  readonly signingKey: SigningKey;
  /** Makes the refresh tokens of sessions opened from now on. */
  readonly refreshKey: RefreshKey;
  /** Every key that may have signed a living token, for JWKS. */
  readonly publicKeys: readonly PublicJwk[];
  /** The key of a token; undefined where there is none by that name. */
  findSigningKey(kid: string): Promise<SigningKey | undefined>;
  /**
   * The key of a refresh token; undefined where there is none by that number.
   * @throws PosternError `UNAVAILABLE` for a number above all that this replica knows: another replica may
   * have made the key a moment ago
   */
  findRefreshKey(number: number): Promise<RefreshKey | undefined>;
}

export interface KeyRingDeps {
  readonly keys: KeyStore;
  readonly material: KeyMaterial;
  readonly newId: NewId;
  readonly signingAlg: SigningAlg;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
}

interface OpenKeys {
  readonly signing: ReadonlyMap<string, SigningKey>;
  readonly refresh: ReadonlyMap<number, RefreshKey>;
  readonly activeSigning: SigningKey;
  readonly activeRefresh: RefreshKey;
}

/** Names that nobody knows are looked up no more often than this, however many are shown. */
const reloadCooldownMs = 1_000;

/**
 * Opens the key ring; on an empty database it makes the first key of each purpose, of which the store keeps
 * exactly one however many replicas start at once.
 * @throws MasterKeyError where a key cannot be opened; no new one is made then
 */
export async function openKeyRing(deps: KeyRingDeps): Promise<KeyRing> {
  let open = (await load(deps)) ?? (await makeFirst(deps));
  let loadedAtMs = deps.monotonicMs();
  let reloading: Promise<void> | undefined;

  async function reload(): Promise<void> {
    if (deps.monotonicMs() - loadedAtMs < reloadCooldownMs) return;
    reloading ??= (async () => {
      open = (await load(deps)) ?? open;
      loadedAtMs = deps.monotonicMs();
    })().finally(() => {
      reloading = undefined;
    });
    await reloading;
  }

  return {
    get signingKey() {
      return open.activeSigning;
    },
    get refreshKey() {
      return open.activeRefresh;
    },
    get publicKeys() {
      return [...open.signing.values()].map((key) => key.publicJwk);
    },
    async findSigningKey(kid) {
      if (!open.signing.has(kid)) await reload();
      return open.signing.get(kid);
    },
    async findRefreshKey(number) {
      const known = open.refresh.get(number);
      if (known !== undefined || number <= highest(open.refresh)) return known;
      await reload();
      if (number > highest(open.refresh)) throw new PosternError("UNAVAILABLE");
      return open.refresh.get(number);
    },
  };
}

async function load({ keys, material }: KeyRingDeps): Promise<OpenKeys | undefined> {
  const signing = new Map<string, SigningKey>();
  const refresh = new Map<number, RefreshKey>();
  let activeSigning: SigningKey | undefined;
  let activeRefresh: RefreshKey | undefined;
  for (const key of await keys.list()) {
    if (key.state === "tainted") continue;
    if (key.purpose === "signing") {
      const opened = material.openSigningKey(key);
      signing.set(opened.kid, opened);
      if (key.state === "active") activeSigning = opened;
    } else {
      const opened = material.openRefreshKey(key);
      refresh.set(opened.number, opened);
      if (key.state === "active") activeRefresh = opened;
    }
  }
  if (activeSigning === undefined || activeRefresh === undefined) return undefined;
  return { signing, refresh, activeSigning, activeRefresh };
}

async function makeFirst(deps: KeyRingDeps): Promise<OpenKeys> {
  const purposes: readonly KeyPurpose[] = ["signing", "refresh"];
  for (const purpose of purposes) {
    await deps.keys.addFirst(await deps.material.generate(purpose, deps.newId(), deps.signingAlg));
  }
  const open = await load(deps);
  if (open === undefined) throw new Error("the key ring has no active keys");
  return open;
}

function highest(keys: ReadonlyMap<number, unknown>): number {
  return Math.max(0, ...keys.keys());
}
