import { describe, expect, test } from "vitest";
import type { KeyList, KeyPurpose, KeyState, SigningAlg, StoredKey } from "../ports/key-store.ts";
import { dueStep, type KeyPolicy, keptForMs } from "./key-policy.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const policy: KeyPolicy = {
  signingAlg: "ES256",
  rotateEveryMs: 30 * day,
  publishLeadMs: 40 * minute,
  sessionTtlMs: 30 * day,
};
const start = Date.UTC(2026, 0, 1);

interface Row {
  readonly id: string;
  readonly state: KeyState;
  readonly purpose?: KeyPurpose;
  readonly alg?: SigningAlg;
  /** Milliseconds after `start`. */
  readonly created?: number;
  readonly activated?: number;
  readonly retired?: number;
}

const at = (ms: number | undefined) => (ms === undefined ? undefined : new Date(start + ms));

function listOf(nowMs: number, ...rows: readonly Row[]): KeyList {
  const keys = rows.map((row, index): StoredKey => {
    const { id, state, purpose = "signing", alg = "ES256" } = row;
    const made = {
      id,
      purpose,
      alg: purpose === "refresh" ? "HS256" : alg,
      state,
      number: index + 1,
    } as const;
    const times = { createdAt: new Date(start + (row.created ?? 0)), activatedAt: at(row.activated) };
    return { ...made, ...times, retiredAt: at(row.retired), publicJwk: undefined, sealed: new Uint8Array() };
  });
  return { version: "v", now: new Date(start + nowMs), keys };
}

const active: Row = { id: "active", state: "active", activated: 0 };
const next: Row = { id: "next", state: "prepared" };
const mac: Row = { id: "mac", purpose: "refresh", state: "active", activated: 0 };

/** The step that is due, as text. */
function due(list: KeyList, changes: Partial<KeyPolicy> = {}): string {
  const step = dueStep(list, { ...policy, ...changes });
  if (step === undefined) return "nothing";
  return step.kind === "prepare" ? `prepare ${step.purpose}` : `${step.kind} ${step.key.id}`;
}

describe("signing keys", () => {
  test("a next key is prepared as soon as there is none", () => {
    expect(due(listOf(0, active, mac))).toBe("prepare signing");
    expect(due(listOf(0, active, next, mac))).toBe("nothing");
  });

  test("the next key is activated when the active one is due, not earlier", () => {
    expect(due(listOf(30 * day - 1, active, next, mac))).toBe("nothing");
    expect(due(listOf(30 * day, active, next, mac), { sessionTtlMs: 90 * day })).toBe("activate next");
  });

  test("O02: a key that has not been published for the lead is not activated", () => {
    const young = { ...next, created: 30 * day };
    const list = (ms: number) => listOf(30 * day + ms, active, young, { ...mac, activated: 30 * day });
    expect(due(list(40 * minute - 1))).toBe("nothing");
    expect(due(list(40 * minute))).toBe("activate next");
  });

  test("of another algorithm are prepared at the change, and activated when the active key is due", () => {
    const eddsa = { signingAlg: "EdDSA" } as const;
    const refresh = { ...mac, activated: 30 * day };
    expect(due(listOf(day, active, next, mac), eddsa)).toBe("prepare signing");
    const both = [active, next, { ...next, id: "eddsa", alg: "EdDSA" } as const, refresh];
    expect(due(listOf(day, ...both), eddsa)).toBe("nothing");
    expect(due(listOf(30 * day, ...both), eddsa)).toBe("activate eddsa");
  });

  test.each(["retired", "tainted"] as const)(
    "O02: a %s key is removed when all its tokens have expired",
    (state) => {
      const old: Row = { id: "old", state, retired: day };
      const list = (ms: number) => listOf(day + ms, old, { ...active, activated: day }, next, mac);
      expect(due(list(62 * minute - 1))).toBe("nothing");
      expect(due(list(62 * minute))).toBe("remove old");
    },
  );
});

describe("refresh keys", () => {
  test("are rotated no more often than sessions last, and made when they take over", () => {
    const signing = [{ ...active, activated: 59 * day }, next];
    const sessions = { sessionTtlMs: 60 * day };
    expect(due(listOf(60 * day - 1, ...signing, mac), sessions)).toBe("nothing");
    expect(due(listOf(60 * day, ...signing, mac), sessions)).toBe("prepare refresh");
    const made: Row = { id: "mac 2", purpose: "refresh", state: "prepared", created: 60 * day };
    expect(due(listOf(60 * day, ...signing, mac, made), sessions)).toBe("activate mac 2");
  });

  test("are kept after their retirement as long as sessions and device tokens may live", () => {
    expect(keptForMs("refresh", policy)).toBe(91 * day);
    expect(keptForMs("refresh", { ...policy, sessionTtlMs: 365 * day })).toBe(366 * day);
  });
});

test("there are fewer than 12 keys and exactly one active key of each purpose at any time, for any settings", () => {
  for (const [rotateEveryMs, sessionTtlMs] of [
    [hour, hour],
    [hour, 365 * day],
    [30 * day, 30 * day],
    [365 * day, day],
  ] as const) {
    const given = { ...policy, rotateEveryMs, sessionTtlMs, publishLeadMs: 40 * minute };
    let keys = listOf(0, active, mac).keys;
    let most = 0;
    let rotations = 0;
    let mostSteps = 0;
    // One `expect` for each of the 100,000 times would take most of a minute on a loaded machine.
    const withoutOneActive: string[] = [];
    const stepMs = Math.max(10 * minute, (rotateEveryMs + sessionTtlMs) / 500);
    for (let nowMs = 0; nowMs < 6 * Math.max(rotateEveryMs, sessionTtlMs, 120 * day); nowMs += stepMs) {
      const now = new Date(start + nowMs);
      for (let steps = 0; ; steps++) {
        const step = dueStep({ version: "v", now, keys }, given);
        if (step === undefined) break;
        mostSteps = Math.max(mostSteps, steps);
        if (steps >= 32) break;
        keys = take(keys, step, now);
        rotations += step.kind === "activate" ? 1 : 0;
      }
      most = Math.max(most, keys.length);
      for (const purpose of ["signing", "refresh"] as const) {
        const ofPurpose = keys.filter((key) => key.purpose === purpose && key.state === "active");
        if (ofPurpose.length !== 1) withoutOneActive.push(`${purpose} at ${now.toISOString()}`);
      }
    }
    expect(withoutOneActive).toEqual([]);
    expect(mostSteps).toBeLessThan(32);
    expect(rotations).toBeGreaterThan(5);
    expect(most).toBeLessThan(12);
  }
});

type Step = NonNullable<ReturnType<typeof dueStep>>;

let made = 0;

/** The keys after a step, as a store would have them. */
function take(keys: readonly StoredKey[], step: Step, now: Date): StoredKey[] {
  if (step.kind === "prepare") {
    const { purpose } = step;
    const [key] = listOf(now.getTime() - start, {
      id: `made ${++made}`,
      purpose,
      state: "prepared",
      created: now.getTime() - start,
    }).keys;
    return key === undefined ? [] : [...keys, key];
  }
  if (step.kind === "remove") return keys.filter(({ id }) => id !== step.key.id);
  return keys.map((key) => {
    if (key.id === step.insteadOf.id) return { ...key, state: "retired", retiredAt: now };
    return key.id === step.key.id ? { ...key, state: "active", activatedAt: now } : key;
  });
}
