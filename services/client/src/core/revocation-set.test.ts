import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idBodyOf, NaiveRevocationSet } from "./revocation-set.fixture.ts";
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
/** With ids as they are minted; those above are names of another form. */
const minted: RevocableClaims = {
  kid: `key_${idBodyOf(1)}`,
  jti: `tok_${idBodyOf(1)}`,
  sid: `ses_${idBodyOf(1)}`,
  sub: `usr_${idBodyOf(1)}`,
  client_id: `cli_${idBodyOf(1)}`,
  rev: 5,
};
const kinds = ["token", "session", "key", "user", "client"] as const;
const idsOf = ({ jti, sid, kid, sub, client_id }: RevocableClaims) => [jti, sid, kid, sub, client_id];

/** So few that they come again, so many that tables grow; of some the ends are the same, and only the ends. */
const bodies = fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 2 }));
const names = fc.oneof(
  { weight: 8, arbitrary: bodies.map(([index, first]) => first + idBodyOf(index).slice(1)) },
  { weight: 1, arbitrary: fc.constantFrom("1", "__proto__", "8zzzzzzzzzzzzzzzzzzzzzzzzz", "") },
);
const numbers = fc.oneof(fc.nat({ max: 9 }), fc.maxSafeNat());
/** To the second, as tables keep them. */
const times = fc.nat({ max: 20 }).map((seconds) => 1_000 * (1 + seconds));
const prefixes = { token: "tok_", session: "ses_", key: "key_", user: "usr_", client: "" };
const targets: fc.Arbitrary<RevocationTarget> = fc.oneof(
  { weight: 30, arbitrary: fc.tuple(fc.constantFrom(...kinds), names).map(targetOf) },
  { weight: 1, arbitrary: fc.constant({ kind: "everything" } as const) },
);
const steps = fc.oneof(
  { weight: 30, arbitrary: fc.record({ seq: fc.nat({ max: 9 }), target: targets, forgetAfterMs: times }) },
  { weight: 1, arbitrary: fc.record({ nowMs: times }) },
);
const judged = fc
  .record({ jti: names, sid: names, kid: names, sub: names, client_id: names, rev: numbers })
  .map(({ jti, sid, kid, sub, client_id, rev }) => ({
    jti: `tok_${jti}`,
    sid: `ses_${sid}`,
    kid: `key_${kid}`,
    sub: `usr_${sub}`,
    client_id,
    rev,
  }));

function targetOf([kind, name]: [(typeof kinds)[number], string]): RevocationTarget {
  return { kind, id: prefixes[kind] + name };
}

function setOf(...entries: [seq: number, target: RevocationTarget, forgetAfterMs?: number][]): RevocationSet {
  const set = new RevocationSet();
  for (const [seq, target, forgetAfterMs = 1_000] of entries) set.add({ seq, target, forgetAfterMs });
  return set;
}

describe("RevocationSet", () => {
  test("revokes nothing while it is empty", () => {
    expect(new RevocationSet().revokes(claims)).toBe(false);
    expect(new RevocationSet().revokes({ ...claims, rev: 0 })).toBe(false);
  });

  test.each<Extract<RevocationTarget, { id: string }>>([
    { kind: "token", id: "tok_1" },
    { kind: "session", id: "ses_1" },
    { kind: "key", id: "key_1" },
  ])("revokes by ID, in any order: $kind", (target) => {
    expect(setOf([1, target]).revokes(claims)).toBe(true);
    expect(setOf([1, { ...target, id: `${target.id}x` }]).revokes(claims)).toBe(false);
  });

  test.each<RevocationTarget>([user, { kind: "client", id: "shop" }, { kind: "everything" }])(
    "hits what was authenticated before it, by the log's order: $kind",
    (target) => {
      const set = setOf([5, target]);
      expect(set.revokes({ ...claims, rev: 4 })).toBe(true);
      expect(set.revokes({ ...claims, rev: 5 })).toBe(false);
      expect(set.revokes({ ...claims, rev: 6 })).toBe(false);
    },
  );

  test("does not revoke other users and clients", () => {
    const set = setOf([9, { kind: "user", id: "usr_2" }], [9, { kind: "client", id: "other" }]);
    expect(set.revokes(claims)).toBe(false);
  });

  test.each([claims, minted])("does not confuse IDs of different kinds: $jti", (shown) => {
    for (const [k, kind] of kinds.entries()) {
      for (const [i, id] of idsOf(shown).entries()) {
        expect(setOf([9, { kind, id }]).revokes(shown)).toBe(i === k);
      }
    }
  });

  test("does not match an ID of another kind with the same digits", () => {
    const mixed = { ...minted, jti: `ses_${idBodyOf(2)}`, sid: `tok_${idBodyOf(2)}` };
    expect(setOf([9, { kind: "token", id: `tok_${idBodyOf(2)}` }]).revokes(mixed)).toBe(false);
    expect(setOf([9, { kind: "token", id: `ses_${idBodyOf(2)}` }]).revokes(mixed)).toBe(true);
  });

  test("handles names of Object.prototype like any other", () => {
    const odd = { ...claims, kid: "__proto__", jti: "constructor", sub: "__proto__", client_id: "toString" };
    expect(setOf([9, user]).revokes(odd)).toBe(false);
  });

  test.each<RevocationTarget>([user, { kind: "client", id: "shop" }, { kind: "everything" }])(
    "B09 of two entries the later one counts, in any order: $kind",
    (target) => {
      for (const set of [setOf([3, target], [8, target]), setOf([8, target], [3, target])]) {
        expect(set.revokes({ ...claims, rev: 7 })).toBe(true);
        expect(set.revokes({ ...claims, rev: 8 })).toBe(false);
      }
    },
  );

  test("B09 of entries for user, client and everything, the latest one counts", () => {
    const targets: RevocationTarget[] = [user, { kind: "client", id: "shop" }, { kind: "everything" }];
    for (const latest of targets) {
      const set = setOf(
        ...targets.map((target): [number, RevocationTarget] => [target === latest ? 8 : 3, target]),
      );
      expect(set.revokes({ ...claims, rev: 7 })).toBe(true);
      expect(set.revokes({ ...claims, rev: 8 })).toBe(false);
    }
  });

  test.each([claims, minted])("drops entries whose tokens have expired, and no others: $jti", (shown) => {
    for (const [k, kind] of kinds.entries()) {
      const set = setOf([9, { kind, id: idsOf(shown)[k] ?? "" }, 1_000]);
      set.forget(1_000);
      expect([set.revokes(shown), set.size]).toEqual([true, 1]);
      set.forget(1_001);
      expect([set.revokes(shown), set.size]).toEqual([false, 0]);
    }
  });

  test("a later entry of a user is also kept longer", () => {
    const set = setOf([6, user, 1_000], [8, user, 2_000]);
    set.forget(1_500);
    expect(set.revokes({ ...claims, rev: 7 })).toBe(true);
  });

  test("never drops an entry for everything", () => {
    const set = setOf([9, { kind: "everything" }, 1_000]);
    set.forget(Number.MAX_SAFE_INTEGER);
    expect(set.revokes(claims)).toBe(true);
  });

  test("behaves like a plain set", () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 400 }), fc.array(judged, { maxLength: 40 }), (all, shown) => {
        const [set, naive] = [new RevocationSet(), new NaiveRevocationSet()];
        for (const step of all) {
          for (const one of [set, naive]) {
            if ("nowMs" in step) one.forget(step.nowMs);
            else one.add(step);
          }
        }
        expect(set.size).toBe(naive.size);
        for (const one of shown) expect(set.revokes(one)).toBe(naive.revokes(one));
      }),
    );
  });
});
