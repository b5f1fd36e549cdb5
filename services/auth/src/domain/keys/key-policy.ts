import type { KeyList, KeyPurpose, SigningAlg, StoredKey } from "../ports/key-store.ts";

/** How keys are turned. Spans are milliseconds. */
export interface KeyPolicy {
  /** Of signing keys made from now on. */
  readonly signingAlg: SigningAlg;
  /** How long a signing key signs. */
  readonly rotateEveryMs: number;
  /** How long at least a signing key is published before it signs. */
  readonly publishLeadMs: number;
  readonly sessionTtlMs: number;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** The longest access token, and the skew that its readers bear. */
const longestAccessTokenMs = 62 * minuteMs;
/** See `device-token.ts`. */
const deviceTokenMs = 90 * dayMs;

/** Keys of one purpose that are not removed, at the most: whoever reads the key set reads all of it. */
export const mostKeys = 16;

/** How long a retired key is kept: what it has made may live so long. */
export function keptForMs(purpose: KeyPurpose, { sessionTtlMs }: KeyPolicy): number {
  return purpose === "signing" ? longestAccessTokenMs : Math.max(sessionTtlMs, deviceTokenMs) + dayMs;
}

/**
 * How long an active key makes tokens. Sessions stay with the refresh key that they were opened under, so that key is
 * turned no more often than they last: there are never more than five then.
 */
function turnedEveryMs(purpose: KeyPurpose, { rotateEveryMs, sessionTtlMs }: KeyPolicy): number {
  return purpose === "signing" ? rotateEveryMs : Math.max(rotateEveryMs, sessionTtlMs, 30 * dayMs);
}

/** What is to be done about the keys. */
export type KeyStep =
  | { readonly kind: "prepare"; readonly purpose: KeyPurpose }
  | { readonly kind: "activate"; readonly key: StoredKey; readonly insteadOf: StoredKey }
  | { readonly kind: "remove"; readonly key: StoredKey };

/**
 * The next step that is due; undefined: none is. A signing key is always prepared, so that an emergency needs none
 * that nobody has seen; a refresh key, which nobody has to see, only when it is to take over.
 */
export function dueStep(list: KeyList, policy: KeyPolicy): KeyStep | undefined {
  const nowMs = list.now.getTime();
  const next = nextKey(list, "signing", policy);
  if (next === undefined) return { kind: "prepare", purpose: "signing" };
  const isPublished = next.createdAt.getTime() + policy.publishLeadMs <= nowMs;
  const outlived = outlivedKey(list, "signing", policy);
  if (outlived !== undefined && isPublished) return { kind: "activate", key: next, insteadOf: outlived };

  const outlivedRefresh = outlivedKey(list, "refresh", policy);
  if (outlivedRefresh !== undefined) {
    const key = nextKey(list, "refresh", policy);
    return key === undefined
      ? { kind: "prepare", purpose: "refresh" }
      : { kind: "activate", key, insteadOf: outlivedRefresh };
  }
  const gone = list.keys.find(
    ({ purpose, retiredAt }) =>
      retiredAt !== undefined && retiredAt.getTime() + keptForMs(purpose, policy) <= nowMs,
  );
  return gone === undefined ? undefined : { kind: "remove", key: gone };
}

/** The prepared key that takes over next: of the configured algorithm the one that was published first. */
export function nextKey(
  { keys }: KeyList,
  purpose: KeyPurpose,
  { signingAlg }: KeyPolicy,
): StoredKey | undefined {
  const fits = ({ alg }: StoredKey) => purpose === "refresh" || alg === signingAlg;
  return keys.find((key) => key.purpose === purpose && key.state === "prepared" && fits(key));
}

function outlivedKey(list: KeyList, purpose: KeyPurpose, policy: KeyPolicy): StoredKey | undefined {
  const active = activeKey(list, purpose);
  const sinceMs = active?.activatedAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return sinceMs + turnedEveryMs(purpose, policy) <= list.now.getTime() ? active : undefined;
}

export function activeKey({ keys }: KeyList, purpose: KeyPurpose): StoredKey | undefined {
  return keys.find((key) => key.purpose === purpose && key.state === "active");
}
