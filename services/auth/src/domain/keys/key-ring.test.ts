import { describe, expect, test } from "vitest";
import { PosternError } from "../errors.ts";
import { type KeyMaterial, MasterKeyError, type SigningKey } from "../ports/key-material.ts";
import type { KeyPurpose, KeyState, KeyStore, NewKey, StoredKey } from "../ports/key-store.ts";
import { openKeyRing } from "./key-ring.ts";

const jwk = (kid: string) => ({ kid, alg: "ES256", use: "sig", kty: "EC" }) as const;

/** Keys that seal and sign nothing: the ring only has to hand out the right ones. */
const material: KeyMaterial = {
  generate: async (purpose, id): Promise<NewKey> => newKey(purpose, id),
  openSigningKey: ({ id }): SigningKey => ({
    kid: `key_${id}`,
    alg: "ES256",
    publicJwk: jwk(`key_${id}`),
    sign: (data) => data,
    verify: () => true,
  }),
  openRefreshKey: ({ number }) => ({ number, mac: (data) => data, verify: () => true }),
};

function newKey(purpose: KeyPurpose, id: string): NewKey {
  const alg = purpose === "signing" ? "ES256" : "HS256";
  const publicJwk = purpose === "signing" ? jwk(`key_${id}`) : undefined;
  return { id, purpose, alg, publicJwk, sealed: new Uint8Array() };
}

function createKeys() {
  const rows: StoredKey[] = [];
  const keys = {
    rows,
    lists: 0,
    put(purpose: KeyPurpose, id: string, state: KeyState): void {
      rows.push({ ...newKey(purpose, id), number: rows.length + 1, state, createdAt: new Date(0) });
    },
    async list(): Promise<StoredKey[]> {
      keys.lists += 1;
      return [...rows];
    },
    async addFirst(key: NewKey): Promise<void> {
      if (rows.some(({ purpose, state }) => purpose === key.purpose && state === "active")) return;
      keys.put(key.purpose, key.id, "active");
    },
  } satisfies KeyStore & Record<string, unknown>;
  return keys;
}

async function open({ keys = createKeys(), using = material } = {}) {
  const clock = { ms: 0 };
  let count = 0;
  const ring = await openKeyRing({
    keys,
    material: using,
    newId: () => `made${++count}`,
    signingAlg: "ES256",
    monotonicMs: () => clock.ms,
  });
  return { ring, keys, clock };
}

describe("the first keys", () => {
  test("an empty database gets one of each", async () => {
    const { ring, keys } = await open();
    expect(keys.rows.map(({ purpose, state }) => [purpose, state])).toEqual([
      ["signing", "active"],
      ["refresh", "active"],
    ]);
    expect(ring.signingKey.kid).toBe("key_made1");
    expect(ring.refreshKey.number).toBe(2);
  });

  test("a ring that finds another replica's keys in its way uses those", async () => {
    const keys = createKeys();
    const { list } = keys;
    keys.list = async () => {
      const before = await list();
      if (keys.lists === 1) {
        keys.put("signing", "theirs", "active");
        keys.put("refresh", "theirs", "active");
      }
      return before;
    };
    const { ring } = await open({ keys });
    expect(ring.signingKey.kid).toBe("key_theirs");
    expect(keys.rows).toHaveLength(2);
  });

  test("none is made where keys are there", async () => {
    const { keys } = await open();
    await open({ keys });
    expect(keys.rows).toHaveLength(2);
  });

  test("none is made where the present ones cannot be opened: MasterKeyError passes", async () => {
    const { keys } = await open();
    const using: KeyMaterial = {
      ...material,
      openSigningKey() {
        throw new MasterKeyError("no master key opens it");
      },
    };
    await expect(open({ keys, using })).rejects.toThrow(MasterKeyError);
    expect(keys.rows).toHaveLength(2);
  });
});

describe("which keys count", () => {
  test("all but tainted ones are published and found", async () => {
    const keys = createKeys();
    keys.put("signing", "a", "active");
    keys.put("refresh", "b", "active");
    keys.put("signing", "c", "retired");
    keys.put("signing", "d", "prepared");
    keys.put("signing", "e", "tainted");
    const { ring } = await open({ keys });
    expect(ring.publicKeys.map(({ kid }) => kid)).toEqual(["key_a", "key_c", "key_d"]);
    expect((await ring.findSigningKey("key_c"))?.kid).toBe("key_c");
    expect(await ring.findSigningKey("key_e")).toBeUndefined();
  });
});

describe("a key that is not known", () => {
  test("kid: looked up again, once a cool-down however many are shown", async () => {
    const { ring, keys, clock } = await open();
    const { lists } = keys;
    keys.put("signing", "new", "prepared");
    expect(await ring.findSigningKey("key_new")).toBeUndefined();
    clock.ms = 1_000;
    const found = await Promise.all(["key_new", "key_x", "key_new"].map((kid) => ring.findSigningKey(kid)));
    expect(found.map((key) => key?.kid)).toEqual(["key_new", undefined, "key_new"]);
    expect(keys.lists).toBe(lists + 1);
    for (const kid of ["key_y", "key_z"]) expect(await ring.findSigningKey(kid)).toBeUndefined();
    expect(keys.lists).toBe(lists + 1);
  });

  test("refresh key number above all known: loaded, else UNAVAILABLE, for it may be newer than we are", async () => {
    const { ring, keys, clock } = await open();
    keys.put("refresh", "new", "prepared");
    await expect(ring.findRefreshKey(3)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    clock.ms = 1_000;
    expect((await ring.findRefreshKey(3))?.number).toBe(3);
    await expect(ring.findRefreshKey(4)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("refresh key number below the highest: unknown, without a look-up", async () => {
    const { ring, keys, clock } = await open();
    clock.ms = 1_000;
    const { lists } = keys;
    expect(await ring.findRefreshKey(1)).toBeUndefined();
    expect(keys.lists).toBe(lists);
  });

  test("a store that is down is UNAVAILABLE, never 'no such key', and is asked again", async () => {
    const { ring, keys, clock } = await open();
    const { list } = keys;
    clock.ms = 1_000;
    keys.list = () => Promise.reject(new PosternError("UNAVAILABLE"));
    await expect(ring.findSigningKey("key_x")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    keys.list = list;
    keys.put("signing", "x", "prepared");
    expect((await ring.findSigningKey("key_x"))?.kid).toBe("key_x");
  });
});
