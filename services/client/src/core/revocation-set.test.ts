import { describe, expect, test } from "vitest";
import { type RevocableClaims, RevocationSet, type RevocationTarget } from "./revocation-set.ts";

const claims: RevocableClaims = {
  kid: "key_1",
  jti: "tok_1",
  sid: "ses_1",
  sub: "usr_1",
  client_id: "shop",
  rev: 5,
};
const user: RevocationTarget = { kind: "user", id: "usr_1" };

function setOf(...entries: [seq: number, target: RevocationTarget, forgetAfterMs?: number][]): RevocationSet {
  const set = new RevocationSet();
  for (const [seq, target, forgetAfterMs = 1_000] of entries) set.add({ seq, target, forgetAfterMs });
  return set;
}

describe("RevocationSet", () => {
  test("hits nothing while it is empty", () => {
    expect(new RevocationSet().hits(claims)).toBe(false);
    expect(new RevocationSet().hits({ ...claims, rev: 0 })).toBe(false);
  });

  test.each<Extract<RevocationTarget, { id: string }>>([
    { kind: "token", id: "tok_1" },
    { kind: "session", id: "ses_1" },
    { kind: "key", id: "key_1" },
  ])("hits by identity, whatever the order: $kind", (target) => {
    expect(setOf([1, target]).hits(claims)).toBe(true);
    expect(setOf([1, { ...target, id: `${target.id}x` }]).hits(claims)).toBe(false);
  });

  test.each<RevocationTarget>([user, { kind: "client", id: "shop" }, { kind: "everything" }])(
    "hits what was authenticated before it, by the log's order: $kind",
    (target) => {
      const set = setOf([5, target]);
      expect(set.hits({ ...claims, rev: 4 })).toBe(true);
      expect(set.hits({ ...claims, rev: 5 })).toBe(false);
      expect(set.hits({ ...claims, rev: 6 })).toBe(false);
    },
  );

  test("spares other users and clients", () => {
    const set = setOf([9, { kind: "user", id: "usr_2" }], [9, { kind: "client", id: "other" }]);
    expect(set.hits(claims)).toBe(false);
  });

  test("takes an id of one kind for no other", () => {
    const ids = ["tok_1", "ses_1", "key_1", "usr_1", "shop"];
    const kinds = ["token", "session", "key", "user", "client"] as const;
    for (const [k, kind] of kinds.entries()) {
      for (const [i, id] of ids.entries()) expect(setOf([9, { kind, id }]).hits(claims)).toBe(i === k);
    }
  });

  test("is not misled by names of Object.prototype", () => {
    const odd = { ...claims, kid: "__proto__", jti: "constructor", sub: "__proto__", client_id: "toString" };
    expect(setOf([9, user]).hits(odd)).toBe(false);
  });

  test.each<RevocationTarget>([user, { kind: "client", id: "shop" }, { kind: "everything" }])(
    "B09 of two entries the later wins, in whatever order they come: $kind",
    (target) => {
      for (const set of [setOf([3, target], [8, target]), setOf([8, target], [3, target])]) {
        expect(set.hits({ ...claims, rev: 7 })).toBe(true);
        expect(set.hits({ ...claims, rev: 8 })).toBe(false);
      }
    },
  );

  test("B09 of entries for user, client and everything the latest wins", () => {
    const targets: RevocationTarget[] = [user, { kind: "client", id: "shop" }, { kind: "everything" }];
    for (const latest of targets) {
      const set = setOf(
        ...targets.map((target): [number, RevocationTarget] => [target === latest ? 8 : 3, target]),
      );
      expect(set.hits({ ...claims, rev: 7 })).toBe(true);
      expect(set.hits({ ...claims, rev: 8 })).toBe(false);
    }
  });

  test("forgets what can hit nothing alive, and not before", () => {
    const targets: RevocationTarget[] = [
      { kind: "token", id: "tok_1" },
      { kind: "session", id: "ses_1" },
      { kind: "key", id: "key_1" },
      user,
      { kind: "client", id: "shop" },
    ];
    for (const target of targets) {
      const set = setOf([9, target, 1_000]);
      set.forget(1_000);
      expect([set.hits(claims), set.size]).toEqual([true, 1]);
      set.forget(1_001);
      expect([set.hits(claims), set.size]).toEqual([false, 0]);
    }
  });

  test("a later entry of a user also lives longer", () => {
    const set = setOf([6, user, 1_000], [8, user, 2_000]);
    set.forget(1_500);
    expect(set.hits({ ...claims, rev: 7 })).toBe(true);
  });

  test("never forgets an entry for everything", () => {
    const set = setOf([9, { kind: "everything" }, 1_000]);
    set.forget(Number.MAX_SAFE_INTEGER);
    expect(set.hits(claims)).toBe(true);
  });
});
