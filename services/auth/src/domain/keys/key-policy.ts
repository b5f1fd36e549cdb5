import type { KeyList, KeyPurpose, SigningAlg, StoredKey } from "../ports/key-store.ts";

/** How keys are rotated. Durations are in milliseconds. */
export interface KeyPolicy {
  /** Algorithm of new signing keys. */
  readonly signingAlg: SigningAlg;
  /** How long a signing key signs. */
  readonly rotateEveryMs: number;
  /** Minimum time for which a signing key is published before it signs. */
  readonly publishLeadMs: number;
  readonly sessionTtlMs: number;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** The longest life of an access token, and the clock skew that verifiers allow. */
const longestAccessTokenMs = 62 * minuteMs;
/** See `device-token.ts`. */
const deviceTokenMs = 90 * dayMs;

/** Maximum number of keys of one purpose that are not removed. It bounds the size of the key set. */
export const maxKeys = 16;

/** How long a retired key is kept: the longest life of anything that it has made. */
export function keptForMs(purpose: KeyPurpose, { sessionTtlMs }: KeyPolicy): number {
  return purpose === "signing" ? longestAccessTokenMs : Math.max(sessionTtlMs, deviceTokenMs) + dayMs;
}

/**
 * How long an active key makes tokens. A session keeps the refresh key under which it was opened. So refresh keys are
 * rotated no more often than sessions last, which limits them to five.
 */
function rotatedEveryMs(purpose: KeyPurpose, { rotateEveryMs, sessionTtlMs }: KeyPolicy): number {
  return purpose === "signing" ? rotateEveryMs : Math.max(rotateEveryMs, sessionTtlMs, 30 * dayMs);
}

/** A step of the rotation of keys. */
export type KeyStep =
  | { readonly kind: "prepare"; readonly purpose: KeyPurpose }
  | { readonly kind: "activate"; readonly key: StoredKey; readonly insteadOf: StoredKey }
  | { readonly kind: "remove"; readonly key: StoredKey };

/**
 * The next step that is due, or undefined. There is always a prepared signing key, so that an emergency does not need a key
 * that verifiers have not seen. A refresh key, which nothing else has to see, is prepared only when it takes over.
 */
export function dueStep(list: KeyList, policy: KeyPolicy): KeyStep | undefined {
  const nowMs = list.now.getTime();
  const next = nextKey(list, "signing", policy);
  if (next === undefined) return { kind: "prepare", purpose: "signing" };
  const isPublished = next.createdAt.getTime() + policy.publishLeadMs <= nowMs;
  const dueSigning = dueKey(list, "signing", policy);
  if (dueSigning !== undefined && isPublished) return { kind: "activate", key: next, insteadOf: dueSigning };

  const dueRefresh = dueKey(list, "refresh", policy);
  if (dueRefresh !== undefined) {
    const key = nextKey(list, "refresh", policy);
    return key === undefined
      ? { kind: "prepare", purpose: "refresh" }
      : { kind: "activate", key, insteadOf: dueRefresh };
  }
  const unneeded = list.keys.find(
    ({ purpose, retiredAt }) =>
      retiredAt !== undefined && retiredAt.getTime() + keptForMs(purpose, policy) <= nowMs,
  );
  return unneeded === undefined ? undefined : { kind: "remove", key: unneeded };
}

/** The prepared key that is activated next: the one of the configured algorithm that was published first. */
export function nextKey(
  { keys }: KeyList,
  purpose: KeyPurpose,
  { signingAlg }: KeyPolicy,
): StoredKey | undefined {
  const fits = ({ alg }: StoredKey) => purpose === "refresh" || alg === signingAlg;
  return keys.find((key) => key.purpose === purpose && key.state === "prepared" && fits(key));
}

/** The active key if it has to be replaced. */
function dueKey(list: KeyList, purpose: KeyPurpose, policy: KeyPolicy): StoredKey | undefined {
  const active = activeKey(list, purpose);
  const sinceMs = active?.activatedAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return sinceMs + rotatedEveryMs(purpose, policy) <= list.now.getTime() ? active : undefined;
}

export function activeKey({ keys }: KeyList, purpose: KeyPurpose): StoredKey | undefined {
  return keys.find((key) => key.purpose === purpose && key.state === "active");
}
