import { describe, expect, test } from "vitest";
import type {
  KeyList,
  KeyPurpose,
  KeyState,
  KeyStore,
  NewKey,
  StoredKey,
} from "../../services/auth/src/domain/ports/key-store.ts";
import { newId } from "../support/postgres/stores.ts";

/** Two views of one store without keys, as two replicas have. */
export interface KeyStoreFixture extends AsyncDisposable {
  readonly stores: readonly [KeyStore, KeyStore];
  readonly advanceClock: (ms: number) => Promise<void>;
  /** Names of the audit's events, in their order. */
  readonly auditEvents: () => Promise<string[]>;
  /** The head of the revocation log as its readers see it. */
  readonly readHead: () => Promise<{ readonly seq: number; readonly keysVersion: string }>;
}

const actor = { caller: "test", requestId: "r" };
const minute = 60_000;
const freely = { unlessPrepared: false, most: 100 };

/** What every key store must do; each test gets a store without keys. */
export function keyStoreSuite(open: () => Promise<KeyStoreFixture>): void {
  test("an empty store has no keys", async () => {
    await using fixture = await open();
    expect((await fixture.stores[0].list()).keys).toEqual([]);
  });

  test("a key is given back as it was made, active and numbered", async () => {
    await using fixture = await open();
    const [keys, other] = fixture.stores;
    const made = [newKey("signing"), newKey("refresh")];
    for (const key of made) await keys.addFirst(key, actor);
    const { keys: found, now } = await other.list();
    expect(found.map(({ number, createdAt, activatedAt, retiredAt, state, ...key }) => key)).toEqual(made);
    expect(found.map(({ state }) => state)).toEqual(["active", "active"]);
    const [first, second] = found.map(({ number }) => number);
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(first ?? Number.NaN);
    expect(found[0]?.createdAt.getTime()).toBeLessThanOrEqual(now.getTime());
    expect(found[0]?.activatedAt).toBeInstanceOf(Date);
    expect(found[0]?.retiredAt).toBeUndefined();
  });

  test.each(["signing", "refresh"] as const)("a second first %s key is not kept", async (purpose) => {
    await using fixture = await open();
    const [keys, other] = fixture.stores;
    const first = newKey(purpose);
    await keys.addFirst(first, actor);
    await other.addFirst(newKey(purpose), actor);
    expect((await keys.list()).keys.map(({ id }) => id)).toEqual([first.id]);
  });

  test("O04: of many replicas that add the first keys at once one key of each purpose stays", async () => {
    await using fixture = await open();
    const [keys, other] = fixture.stores;
    const tries = Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? keys : other).addFirst(newKey(i % 4 < 2 ? "signing" : "refresh"), actor),
    );
    await Promise.all(tries);
    const purposes = (await keys.list()).keys.map(({ purpose }) => purpose);
    expect(purposes.sort()).toEqual(["refresh", "signing"]);
  });

  test("every change has another version, which the log's head names, and a note in the audit", async () => {
    await using fixture = await open();
    const [keys] = fixture.stores;
    const [first, next] = [newKey("signing"), newKey("signing")];
    const versions = new Set([(await keys.list()).version]);
    const changes = [
      () => keys.addFirst(first, actor),
      () => keys.prepare(next, freely, actor),
      () => keys.activate(next.id, { leadMs: 0 }, actor),
      () => keys.remove(first.id, 0, actor),
      () => keys.prepare(newKey("signing"), freely, actor),
      () => keys.taint(next.id, actor),
    ];
    for (const change of changes) {
      await change();
      const { version } = await keys.list();
      expect((await fixture.readHead()).keysVersion).toBe(version);
      versions.add(version);
    }
    expect(versions.size).toBe(changes.length + 1);
    expect(await fixture.auditEvents()).toEqual([
      ...["key_activated", "key_prepared", "key_activated", "key_removed", "key_prepared"],
      ...["key_tainted", "key_activated"],
    ]);
  });

  describe("prepare", () => {
    test("adds a key of any algorithm", async () => {
      await using fixture = await open();
      const [keys] = fixture.stores;
      await keys.addFirst(newKey("signing"), actor);
      for (const alg of ["ES256", "EdDSA", "RS256"] as const) {
        expect(await keys.prepare({ ...newKey("signing"), alg }, freely, actor)).toBe("prepared");
      }
      expect(states(await keys.list())).toEqual(["active", "prepared", "prepared", "prepared"]);
    });

    test("unless one is prepared: of many replicas that try at once one succeeds", async () => {
      await using fixture = await open();
      const tries = Array.from({ length: 20 }, (_, i) =>
        fixture.stores[i % 2 === 0 ? 0 : 1].prepare(
          newKey("signing"),
          { unlessPrepared: true, most: 100 },
          actor,
        ),
      );
      const outcomes = await Promise.all(tries);
      expect(outcomes.filter((outcome) => outcome === "prepared")).toHaveLength(1);
      expect(states(await fixture.stores[0].list())).toEqual(["prepared"]);
    });

    test("a prepared key of another algorithm or purpose is none", async () => {
      await using fixture = await open();
      const [keys] = fixture.stores;
      const unlessPrepared = { unlessPrepared: true, most: 100 };
      await keys.prepare(newKey("refresh"), freely, actor);
      await keys.prepare({ ...newKey("signing"), alg: "RS256" }, freely, actor);
      expect(await keys.prepare(newKey("signing"), unlessPrepared, actor)).toBe("prepared");
      expect(await keys.prepare(newKey("signing"), unlessPrepared, actor)).toBe("already");
    });

    test("at most `most`, also concurrently; removed keys and those of the other purpose do not count", async () => {
      await using fixture = await open();
      const [keys, other] = fixture.stores;
      await keys.addFirst(newKey("refresh"), actor);
      const [gone] = [newKey("signing")];
      await keys.prepare(gone, freely, actor);
      await keys.remove(gone.id, 0, actor);
      const three = { unlessPrepared: false, most: 3 };
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 ? keys : other).prepare(newKey("signing"), three, actor)),
      );
      expect(outcomes.sort()).toEqual([...Array(3).fill("prepared"), ...Array(7).fill("too_many")]);
    });
  });

  describe("activate", () => {
    test("puts the key in the place of the active one, which is retired", async () => {
      await using fixture = await open();
      const { keys, first, next } = await prepared(fixture);
      expect(await keys.activate(next.id, { leadMs: 0 }, actor)).toBe("activated");
      const found = await keys.list();
      expect(states(found)).toEqual(["retired", "active"]);
      expect(keyOf(found, first.id)?.retiredAt).toEqual(expect.any(Date));
      expect(keyOf(found, next.id)?.activatedAt).toEqual(expect.any(Date));
      expect(await keys.activate(first.id, { leadMs: 0 }, actor)).toBe("not_prepared");
      expect(await keys.activate(newId(), { leadMs: 0 }, actor)).toBe("unknown");
    });

    test("a signing key only once it has been published for the lead; a refresh key at once", async () => {
      await using fixture = await open();
      const { keys, next } = await prepared(fixture);
      await fixture.advanceClock(9 * minute);
      expect(await keys.activate(next.id, { leadMs: 10 * minute }, actor)).toBe("too_young");
      await fixture.advanceClock(minute + 1_000);
      expect(await keys.activate(next.id, { leadMs: 10 * minute }, actor)).toBe("activated");
      await keys.addFirst(newKey("refresh"), actor);
      const refresh = newKey("refresh");
      await keys.prepare(refresh, freely, actor);
      expect(await keys.activate(refresh.id, { leadMs: 10 * minute }, actor)).toBe("activated");
    });

    test("of two replicas that put two keys in the place of one, one succeeds", async () => {
      await using fixture = await open();
      const { keys, first, next } = await prepared(fixture);
      const other = newKey("signing");
      await keys.prepare(other, freely, actor);
      const conditions = { leadMs: 0, insteadOf: first.id };
      const outcomes = await Promise.all([
        keys.activate(next.id, conditions, actor),
        fixture.stores[1].activate(other.id, conditions, actor),
      ]);
      expect(outcomes.sort()).toEqual(["activated", "overtaken"]);
      expect(states(await keys.list()).filter((state) => state === "active")).toHaveLength(1);
    });
  });

  describe("taint", () => {
    test("an active key gives way to the prepared one that has been published the longest", async () => {
      await using fixture = await open();
      const { keys, first, next } = await prepared(fixture);
      await fixture.advanceClock(minute);
      await keys.prepare(newKey("signing"), freely, actor);
      const { seq } = await fixture.readHead();
      expect(await keys.taint(first.id, actor)).toEqual({ kind: "tainted", seq: seq + 1 });
      expect(states(await keys.list())).toEqual(["tainted", "active", "prepared"]);
      expect(keyOf(await keys.list(), next.id)?.state).toBe("active");
      expect(await keys.taint(first.id, actor)).toEqual({ kind: "already", seq: seq + 1 });
    });

    test("without a successor it is not done; a key that is not active needs none", async () => {
      await using fixture = await open();
      const { keys, first, next } = await prepared(fixture);
      expect((await keys.taint(next.id, actor)).kind).toBe("tainted");
      expect(await keys.taint(first.id, actor)).toEqual({ kind: "no_successor" });
      expect(states(await keys.list())).toEqual(["active", "tainted"]);
      expect(await keys.taint(newId(), actor)).toEqual({ kind: "unknown" });
    });

    test("B09: with a refresh key everything ends that was authenticated before", async () => {
      await using fixture = await open();
      const [keys] = fixture.stores;
      const [first, next] = [newKey("refresh"), newKey("refresh")];
      await keys.addFirst(first, actor);
      await keys.prepare(next, freely, actor);
      await keys.taint(first.id, actor);
      expect(await fixture.auditEvents()).toContain("everything_revoked");
      expect(states(await keys.list())).toEqual(["tainted", "active"]);
    });
  });

  describe("remove", () => {
    test("a retired key once it was kept long enough; then it is gone for good", async () => {
      await using fixture = await open();
      const { keys, first, next } = await prepared(fixture);
      expect(await keys.remove(first.id, 0, actor)).toBe("active");
      await keys.activate(next.id, { leadMs: 0 }, actor);
      expect(await keys.remove(first.id, minute, actor)).toBe("needed");
      await fixture.advanceClock(minute);
      expect(await keys.remove(first.id, minute, actor)).toBe("removed");
      expect((await keys.list()).keys.map(({ id }) => id)).toEqual([next.id]);
      expect(await keys.remove(first.id, 0, actor)).toBe("already");
      expect(await keys.remove(newId(), 0, actor)).toBe("unknown");
    });

    test("a tainted and a prepared one at once", async () => {
      await using fixture = await open();
      const { keys, first, next } = await prepared(fixture);
      await keys.taint(next.id, actor);
      expect(await keys.remove(next.id, 60 * minute, actor)).toBe("removed");
      const other = newKey("signing");
      await keys.prepare(other, freely, actor);
      expect(await keys.remove(other.id, 60 * minute, actor)).toBe("removed");
      expect((await keys.list()).keys.map(({ id }) => id)).toEqual([first.id]);
    });
  });

  test("reseal puts another blob in the place of the one that it was made from, and of no other", async () => {
    await using fixture = await open();
    const { keys, first } = await prepared(fixture);
    const { version } = await keys.list();
    const [from, to, late] = [Buffer.from(first.sealed), Buffer.from("resealed"), Buffer.from("late")];
    expect(await keys.reseal(first.id, from, to, actor)).toBe(true);
    expect(await keys.reseal(first.id, from, late, actor)).toBe(false);
    const found = await keys.list();
    expect(keyOf(found, first.id)?.sealed).toEqual(to);
    // A server may be able to open it now.
    expect(found.version).not.toBe(version);
    expect(await fixture.auditEvents()).toContain("key_resealed");
  });
}

/** An active signing key and a prepared one. */
async function prepared(fixture: KeyStoreFixture) {
  const [keys] = fixture.stores;
  const [first, next] = [newKey("signing"), newKey("signing")];
  await keys.addFirst(first, actor);
  await keys.prepare(next, freely, actor);
  return { keys, first, next };
}

function states({ keys }: KeyList): KeyState[] {
  return keys.map(({ state }) => state);
}

function keyOf({ keys }: KeyList, id: string): StoredKey | undefined {
  return keys.find((key) => key.id === id);
}

function newKey(purpose: KeyPurpose): NewKey {
  const id = newId();
  const sealed = Buffer.from(id);
  if (purpose === "refresh") return { id, purpose, alg: "HS256", publicJwk: undefined, sealed };
  const publicJwk = { kid: id, alg: "EdDSA", use: "sig", kty: "OKP", crv: "Ed25519", x: "AA" } as const;
  return { id, purpose, alg: "EdDSA", publicJwk, sealed };
}
