import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Introspection,
  type Opening,
  type Operation,
  type Revocation,
  violationsOf,
} from "./support/load/history.ts";

/** Two users; the first has two sessions, the first of them two tokens. */
const tokens = [
  { token: "a", session: "1", user: "u" },
  { token: "b", session: "1", user: "u" },
  { token: "c", session: "2", user: "u" },
  { token: "d", session: "3", user: "v" },
] as const;
type Token = (typeof tokens)[number];
type Span = readonly [begin: number, end: number];

function introspect(index: number, [begin, end]: Span, outcome: Introspection["outcome"]): Introspection {
  return { kind: "introspect", ...(tokens[index] ?? tokens[0]), begin, end, outcome, on: "a" };
}

function revoke(
  target: Revocation["target"],
  id: string,
  [begin, end]: Span,
  outcome: Revocation["outcome"] = "answered",
): Revocation {
  return { kind: "revoke", target, id, begin, end, outcome, on: "a" };
}

function open(session: string, user: string, [begin, end]: Span): Opening {
  return { kind: "open", session, user, begin, end };
}

function rulesBroken(...history: readonly Operation[]): string[] {
  return violationsOf(history).map(({ rule }) => rule);
}

const targets = [
  ["token", "a"],
  ["session", "1"],
  ["user", "u"],
] as const;

describe.each(targets)("a Revoke by %s", (target, id) => {
  const answered = revoke(target, id, [10, 20]);
  const unknown = revoke(target, id, [10, 20], "unknown");

  test("that was answered allows no `active` to what began after it", () => {
    expect(rulesBroken(answered, introspect(0, [21, 22], "active"))).toEqual(["revoked"]);
    expect(rulesBroken(answered, introspect(0, [19, 30], "active"))).toEqual([]);
    expect(rulesBroken(answered, introspect(0, [21, 22], "inactive"))).toEqual([]);
    expect(rulesBroken(answered, introspect(0, [21, 22], "unknown"))).toEqual([]);
    expect(rulesBroken(answered, introspect(3, [21, 22], "active"))).toEqual([]);
  });

  test("that was not answered may take effect at any time after it began, or never", () => {
    for (const outcome of ["active", "inactive", "unknown"] as const) {
      expect(rulesBroken(unknown, introspect(0, [91, 92], outcome))).toEqual([]);
    }
    expect(rulesBroken(unknown, introspect(0, [1, 9], "inactive"))).toEqual(["unfounded"]);
  });

  test.each([answered, unknown])("accounts for an `inactive` that ended after it began", (revocation) => {
    expect(rulesBroken(revocation, introspect(0, [1, 11], "inactive"))).toEqual([]);
    expect(rulesBroken(revocation, introspect(0, [1, 9], "inactive"))).toEqual(["unfounded"]);
    expect(rulesBroken(revocation, introspect(3, [30, 31], "inactive"))).toEqual(["unfounded"]);
  });

  test.each([answered, unknown])("that has been seen is not forgotten", (revocation) => {
    const seen = introspect(0, [11, 12], "inactive");
    const overlapping = introspect(0, [9, 14], "active");
    expect(rulesBroken(revocation, seen, overlapping)).toEqual([]);
    expect(rulesBroken(revocation, seen, introspect(0, [13, 14], "active"))).toEqual(["revived"]);
  });
});

test("a token found inactive vouches for the others that the same Revoke ends", () => {
  const seen = introspect(0, [11, 12], "inactive");
  const sibling = introspect(1, [13, 14], "active");
  expect(rulesBroken(revoke("session", "1", [10, 20]), seen, sibling)).toEqual(["revived"]);
  expect(rulesBroken(revoke("user", "u", [10, 20], "unknown"), seen, sibling)).toEqual(["revived"]);
  expect(rulesBroken(revoke("token", "a", [10, 20]), seen, sibling)).toEqual([]);
  // Either may have come first.
  const both = [revoke("session", "1", [10, 20]), revoke("token", "a", [10, 20])];
  expect(rulesBroken(...both, seen, sibling)).toEqual([]);
});

test("a user's Revoke says nothing of sessions opened after it", () => {
  const revocation = revoke("user", "u", [10, 20]);
  const after = introspect(0, [31, 32], "active");
  expect(rulesBroken(revocation, open("1", "u", [21, 22]), after)).toEqual([]);
  expect(rulesBroken(revocation, open("1", "u", [15, 22]), after)).toEqual([]);
  expect(rulesBroken(revocation, open("1", "u", [1, 9]), after)).toEqual(["revoked"]);
  const dead = introspect(0, [31, 32], "inactive");
  expect(rulesBroken(revocation, open("1", "u", [21, 22]), dead)).toEqual(["unfounded"]);
  expect(rulesBroken(revocation, open("1", "u", [15, 22]), dead)).toEqual([]);
});

test("a token that has lapsed may be inactive, and then stays so", () => {
  const lapse = { kind: "lapse", token: "a", begin: 10 } as const;
  expect(rulesBroken(lapse, introspect(0, [1, 9], "inactive"))).toEqual(["unfounded"]);
  expect(rulesBroken(lapse, introspect(1, [11, 12], "inactive"))).toEqual(["unfounded"]);
  expect(rulesBroken(lapse, introspect(0, [11, 12], "inactive"))).toEqual([]);
  expect(rulesBroken(lapse, introspect(0, [11, 12], "active"))).toEqual([]);
  const [seen, again] = [introspect(0, [11, 12], "inactive"), introspect(0, [13, 14], "active")];
  expect(rulesBroken(lapse, seen, again)).toEqual(["revived"]);
});

interface Step {
  readonly what: "introspect" | "lapse" | Revocation["target"];
  readonly index: number;
  /** Time before and after the moment of its effect. */
  readonly before: number;
  readonly after: number;
  /** Of a Revoke: without an answer it takes effect, but maybe after the client has given up, or never. */
  readonly fate: "answered" | "unknown" | "never";
  readonly isLost: boolean;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    what: fc.constantFrom("introspect", "introspect", "introspect", "token", "session", "user", "lapse"),
    index: fc.nat(tokens.length - 1),
    before: fc.nat(60),
    after: fc.nat(60),
    fate: fc.constantFrom("answered", "answered", "unknown", "never"),
    isLost: fc.constantFrom(false, false, false, true),
  }),
  { maxLength: 60 },
);

/** What a correct system answers to these, whose moments come one after another. */
function simulate(list: readonly Step[]): Operation[] {
  const ended = new Set<string>();
  const opened = new Set<string>();
  return list.flatMap(({ what, index, before, after, fate, isLost }, turn): Operation[] => {
    const at = (turn + 1) * 10;
    const span: Span = [at - before - 0.5, at + after + 0.5];
    const of = tokens[index] ?? tokens[0];
    const opening = opened.has(of.session) ? [] : [open(of.session, of.user, [at - 9, at - 8])];
    opened.add(of.session);
    // A session's tokens are shown only once it is open.
    const shown: Span = [Math.max(span[0], at - 7), span[1]];
    if (what === "introspect") {
      const outcome = ended.has(of.token) ? "inactive" : "active";
      return [...opening, introspect(index, opening.length ? shown : span, isLost ? "unknown" : outcome)];
    }
    if (what === "lapse") {
      if (!isLost) ended.add(of.token);
      return [...opening, { kind: "lapse", token: of.token, begin: span[0] }];
    }
    const hit = tokens.filter((one) => opened.has(one.session) && one[what] === of[what]);
    if (fate !== "never") for (const { token } of hit) ended.add(token);
    const result: Span = fate === "answered" ? span : [span[0], span[0] + after / 4];
    return [...opening, revoke(what, of[what], result, fate === "answered" ? "answered" : "unknown")];
  });
}

describe("histories of a correct system", () => {
  test("break no rule", () => {
    fc.assert(
      fc.property(steps, (list) => {
        expect(violationsOf(simulate(list))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  const faults: Record<string, (of: Token) => Operation[]> = {
    "an answer from before a Revoke that was answered": (of) => [
      revoke("session", of.session, [10_000, 10_010]),
      introspect(tokens.indexOf(of), [10_011, 10_012], "active"),
    ],
    "a token that comes back": (of) => [
      revoke("token", of.token, [10_000, 10_100], "unknown"),
      introspect(tokens.indexOf(of), [10_011, 10_012], "inactive"),
      introspect(tokens.indexOf(of), [10_013, 10_014], "active"),
    ],
    "a token dead before anything had ended it": (of) => [
      introspect(tokens.indexOf(of), [-1_000, -999], "inactive"),
    ],
  };
  test.each(Object.entries(faults))("with %s planted break one", (_, plant) => {
    fc.assert(
      fc.property(steps, fc.constantFrom(...tokens), (list, of) => {
        const planted = plant(of);
        const found = violationsOf([...simulate(list), ...planted]);
        expect(found.some(({ operation }) => planted.includes(operation))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

/** Whether some order explains a history, by trying all: what began after another's end comes after it. */
function isExplicable(history: readonly (Introspection | Revocation)[]): boolean {
  function go(left: readonly (Introspection | Revocation)[], done: readonly Revocation[]): boolean {
    if (left.length === 0) return true;
    const firstEnd = Math.min(...left.map(({ end }) => end));
    return left.some((next) => {
      if (next.begin > firstEnd) return false;
      const rest = left.filter((one) => one !== next);
      if (next.kind === "revoke") return go(rest, [...done, next]);
      const isOver = done.some(({ target, id }) => next[target] === id);
      return isOver === (next.outcome === "inactive") && go(rest, done);
    });
  }
  const verdicts = history.filter(({ outcome }) => outcome !== "unknown");
  const unsure = history.filter(({ outcome }) => outcome === "unknown");
  // Each Revoke without an answer has taken effect at some time, or has not.
  return Array.from({ length: 2 ** unsure.length }, (_, mask) =>
    unsure.filter((_, bit) => mask & (1 << bit)).map((one) => ({ ...one, end: Number.POSITIVE_INFINITY })),
  ).some((effective) => go([...verdicts, ...effective], []));
}

test("of small histories, those that no order explains break a rule, and no others do", () => {
  const operation = fc.record({
    index: fc.nat(2),
    what: fc.constantFrom("active", "inactive", "token", "session", "user"),
    isAnswered: fc.boolean(),
    begin: fc.nat(20),
    length: fc.nat(8),
  });
  const seen = { explicable: 0, others: 0 };
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (list) => {
      const history = list.map(({ index, what, isAnswered, begin, length }, order) => {
        // No two moments are the same.
        const span: Span = [begin + order / 20, begin + length + 0.5 + order / 20];
        if (what === "active" || what === "inactive") return introspect(index, span, what);
        const target = what as Revocation["target"];
        const id = (tokens[index] ?? tokens[0])[target];
        return revoke(target, id, span, isAnswered ? "answered" : "unknown");
      });
      const explicable = isExplicable(history);
      seen[explicable ? "explicable" : "others"] += 1;
      expect(violationsOf(history).length === 0).toBe(explicable);
    }),
    { numRuns: 5_000 },
  );
  expect(seen.explicable).toBeGreaterThan(500);
  expect(seen.others).toBeGreaterThan(500);
});
