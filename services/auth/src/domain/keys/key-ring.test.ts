import { describe, expect, test } from "vitest";
import { formatId } from "../../lib/type-id.ts";
import { AuthError } from "../errors.ts";
import { type KeyMaterial, MasterKeyError, type SigningKey } from "../ports/key-material.ts";
import type { KeyList, KeyPurpose, KeyState, NewKey, StoredKey } from "../ports/key-store.ts";
import { openKeyRing } from "./key-ring.ts";

const jwk = (id: string) => ({ kid: kid(id), alg: "ES256", use: "sig", kty: "EC" }) as const;
const ids = new Map<string, string>();

/** The id of a key by its name, the same in the whole file. */
function id(name: string): string {
  const known = ids.get(name) ?? `00000000-0000-7000-8000-${String(ids.size).padStart(12, "0")}`;
  ids.set(name, known);
  return known;
}

function kid(name: string): string {
  return formatId("key", id(name));
}

type Material = Pick<KeyMaterial, "generate" | "openSigningKey" | "openRefreshKey">;

/** Keys that neither seal nor sign: the tests check only which key the ring returns. */
const material: Material = {
  generate: async (purpose, name): Promise<NewKey> => newKey(purpose, name),
  openSigningKey: ({ publicJwk }): SigningKey => {
    if (publicJwk === undefined) throw new Error("no signing key");
    return { kid: publicJwk.kid, alg: "ES256", publicJwk, sign: (data) => data, verify: () => true };
  },
  openRefreshKey: ({ number }) => ({ number, mac: (data) => data, verify: () => true }),
};

/** Material that can open only the named keys. */
function opensOnly(...names: string[]): Material {
  const allowed = (key: StoredKey) => {
    if (!names.some((name) => id(name) === key.id)) throw new MasterKeyError(`cannot open ${key.id}`);
    return key;
  };
  return {
    ...material,
    openSigningKey: (key) => material.openSigningKey(allowed(key)),
    openRefreshKey: (key) => material.openRefreshKey(allowed(key)),
  };
}

function newKey(purpose: KeyPurpose, name: string): NewKey {
  const alg = purpose === "signing" ? "ES256" : "HS256";
  return {
    id: id(name),
    purpose,
    alg,
    sealed: new Uint8Array(),
    publicJwk: purpose === "signing" ? jwk(name) : undefined,
  };
}

function createKeys() {
  const rows: StoredKey[] = [];
  let changes = 0;
  const keys = {
    rows,
    lists: 0,
    get version() {
      return `version ${changes}`;
    },
    put(purpose: KeyPurpose, name: string, state: KeyState): void {
      changes += 1;
      const times = { createdAt: new Date(0), activatedAt: undefined, retiredAt: undefined };
      rows.push({ ...newKey(purpose, name), number: rows.length + 1, state, ...times });
    },
    set(name: string, state: KeyState): void {
      changes += 1;
      const index = rows.findIndex((row) => row.id === id(name));
      const row = rows[index];
      if (row !== undefined) rows[index] = { ...row, state };
    },
    async list(): Promise<KeyList> {
      keys.lists += 1;
      return { version: keys.version, now: new Date(0), keys: [...rows] };
    },
    async addFirst(key: NewKey): Promise<void> {
      if (rows.some(({ purpose, state }) => purpose === key.purpose && state === "active")) return;
      const name = [...ids].find(([, value]) => value === key.id)?.[0] ?? "";
      keys.put(key.purpose, name, "active");
    },
  };
  return keys;
}

async function open({ keys = createKeys(), using = material } = {}) {
  const clock = { ms: 0 };
  const pauses: number[] = [];
  const unreadable: string[] = [];
  let current = using;
  let count = 0;
  const ring = await openKeyRing({
    keys,
    material: {
      generate: (...args) => current.generate(...args),
      openSigningKey: (key) => current.openSigningKey(key),
      openRefreshKey: (key) => current.openRefreshKey(key),
    },
    newId: () => `made${++count}`,
    signingAlg: "ES256",
    monotonicMs: () => clock.ms,
    async pause(ms) {
      pauses.push(ms);
      clock.ms += ms;
    },
    onUnreadable: (error) => unreadable.push(error.message),
  });
  return { ring, keys, clock, pauses, unreadable, use: (next: Material) => (current = next) };
}

describe("the first keys", () => {
  test("an empty database gets one key of each purpose", async () => {
    const { ring, keys } = await open();
    expect(keys.rows.map(({ purpose, state }) => [purpose, state])).toEqual([
      ["signing", "active"],
      ["refresh", "active"],
    ]);
    expect(ring.signingKey.kid).toBe(kid("made1"));
    expect(ring.refreshKey.number).toBe(2);
  });

  test("a ring that starts at the same time as another replica uses the other's keys", async () => {
    const keys = createKeys();
    const { list } = keys;
    keys.list = async () => {
      const before = await list();
      if (keys.lists === 1) {
        keys.put("signing", "theirs", "active");
        keys.put("refresh", "theirs too", "active");
      }
      return before;
    };
    const { ring } = await open({ keys });
    expect(ring.signingKey.kid).toBe(kid("theirs"));
    expect(keys.rows).toHaveLength(2);
  });

  test("no key is made if there are keys", async () => {
    const { keys } = await open();
    await open({ keys });
    expect(keys.rows).toHaveLength(2);
  });

  test("no key is made if the existing ones cannot be opened: the ring throws MasterKeyError", async () => {
    const { keys } = await open();
    await expect(open({ keys, using: opensOnly() })).rejects.toThrow(MasterKeyError);
    expect(keys.rows).toHaveLength(2);
  });
});

/** A ring with the active keys `sign` and `mac`. */
async function openRing() {
  const keys = createKeys();
  keys.put("signing", "sign", "active");
  keys.put("refresh", "mac", "active");
  return open({ keys });
}

describe("the key ring", () => {
  test("publishes and finds all keys except tainted ones", async () => {
    const { ring, keys } = await openRing();
    keys.put("signing", "old", "retired");
    keys.put("signing", "next", "prepared");
    keys.put("signing", "stolen", "tainted");
    await ring.follow(keys.version);
    expect(ring.publicKeys.map((key) => key.kid)).toEqual(["sign", "old", "next"].map(kid));
    expect((await ring.findSigningKey(kid("old")))?.kid).toBe(kid("old"));
    expect(await ring.findSigningKey(kid("stolen"))).toBeUndefined();
  });

  test("holds a key until it is tainted or removed, without a look-up", async () => {
    const { ring, keys } = await openRing();
    keys.put("signing", "next", "prepared");
    await ring.follow(keys.version);
    const [old, next] = [await ring.findSigningKey(kid("sign")), await ring.findSigningKey(kid("next"))];
    if (old === undefined || next === undefined) return expect.unreachable();
    const { lists } = keys;
    expect([ring.holds(old), ring.holds(next)]).toEqual([true, true]);
    keys.set("sign", "tainted");
    keys.rows.pop();
    expect([ring.holds(old), ring.holds(next)]).toEqual([true, true]);
    expect(keys.lists).toBe(lists);
    await ring.follow(keys.version);
    expect([ring.holds(old), ring.holds(next)]).toEqual([false, false]);
  });

  test("loads the keys when it follows another version, and not for the present version", async () => {
    const { ring, keys } = await openRing();
    keys.put("signing", "next", "active");
    keys.set("sign", "retired");
    const { lists } = keys;
    await Promise.all([ring.follow(keys.version), ring.follow(keys.version)]);
    expect(ring.signingKey.kid).toBe(kid("next"));
    await ring.follow(keys.version);
    expect(keys.lists).toBe(lists + 1);
  });

  test("throws UNAVAILABLE if it cannot load the keys of another version", async () => {
    const { ring, keys } = await openRing();
    keys.list = () => Promise.reject(new AuthError("UNAVAILABLE"));
    await expect(ring.follow("another")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });
});

describe("an unknown key", () => {
  test("is looked up immediately, and the next look-up, shared by all unknown keys, waits", async () => {
    const { ring, keys, pauses, clock } = await openRing();
    const { lists } = keys;
    keys.put("signing", "new", "prepared");
    expect((await ring.findSigningKey(kid("new")))?.kid).toBe(kid("new"));
    expect([keys.lists, pauses]).toEqual([lists + 1, []]);
    clock.ms += 30;
    const found = await Promise.all(["x", "y", "z"].map((kid) => ring.findSigningKey(kid)));
    expect(found).toEqual([undefined, undefined, undefined]);
    expect([keys.lists, pauses]).toEqual([lists + 2, [70]]);
  });

  test("is found after it was added, although an earlier look-up did not find it", async () => {
    const { ring, keys } = await openRing();
    expect(await ring.findRefreshKey(3)).toBeUndefined();
    keys.put("refresh", "mac 2", "prepared");
    expect((await ring.findRefreshKey(3))?.number).toBe(3);
  });

  test("throws UNAVAILABLE if the store is down, and is looked up again by the next call", async () => {
    const { ring, keys } = await openRing();
    const { list } = keys;
    keys.list = () => Promise.reject(new AuthError("UNAVAILABLE"));
    await expect(ring.findSigningKey(kid("x"))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    keys.list = list;
    keys.put("signing", "x", "prepared");
    expect((await ring.findSigningKey(kid("x")))?.kid).toBe(kid("x"));
  });
});

test("a number that a restored database assigns again names the new key", async () => {
  const { ring, keys } = await openRing();
  const lost = await ring.findRefreshKey(2);
  keys.rows.pop();
  keys.put("refresh", "mac of another history", "active");
  await ring.follow(keys.version);
  expect(ring.refreshKey.number).toBe(2);
  expect(await ring.findRefreshKey(2)).not.toBe(lost);
});

describe("a master key that is missing in a running server", () => {
  test("leaves open keys open, and makes the look-up of unknown keys throw UNAVAILABLE", async () => {
    const { ring, keys, unreadable, use } = await openRing();
    use(opensOnly());
    keys.put("signing", "next", "prepared");
    await ring.follow(keys.version);
    expect(unreadable).toEqual([`cannot open ${id("next")}`]);
    expect(ring.signingKey.kid).toBe(kid("sign"));
    await expect(ring.findSigningKey(kid("next"))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await expect(ring.findRefreshKey(9)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    // Reported once, however often the keys are loaded.
    expect(unreadable).toHaveLength(1);
  });

  test("keeps the ring from signing if it cannot open the active key", async () => {
    const { ring, keys, use } = await openRing();
    use(opensOnly());
    keys.put("signing", "next", "active");
    keys.set("sign", "retired");
    await ring.follow(keys.version);
    expect(() => ring.signingKey).toThrow(AuthError);
    expect((await ring.findSigningKey(kid("sign")))?.kid).toBe(kid("sign"));
  });
});
