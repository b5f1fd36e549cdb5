import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { Checkpoint, Revocation as Entry } from "@postern/proto/postern/auth/v1/revocation_pb.js";
import { ownMember } from "../core/own-members.ts";
import {
  clockAheadMs,
  type RevocableClaims,
  RevocationSet,
  type RevocationTarget,
} from "../core/revocation-set.ts";

/** The claims that a revocation is checked against. */
export type CheckedClaims = RevocableClaims & { readonly iat: number };

interface Snapshot {
  readonly set: RevocationSet;
  /** Number of the last entry. */
  sequence: number;
  /** It is complete up to this time, by the database's clock. */
  asOfMs: number;
  /** The same time by this machine's clock, or earlier. */
  knownAtMs: number;
  /** Whether the log has an entry that this version of the library does not know. */
  hasUnknownEntry: boolean;
}

/** How often entries are dropped whose tokens have all expired, by the database's time. */
const forgetEveryMs = 60_000;

/**
 * The revocation log as received from consecutive streams of `WatchRevocations`. Times are milliseconds of an `ElapsedClock`,
 * unless they are named as the database's.
 */
export class LocalRevocationLog {
  #complete: Snapshot | undefined;
  /** A snapshot that is being read from the start. The complete one stays in use until then. */
  #pending: Snapshot | undefined;
  #cursor = "";
  #calledAtMs = 0;
  /** The difference between this machine's clock and the database's; undefined before the first checkpoint of a stream. */
  #offsetMs: number | undefined;
  #forgottenMs = 0;
  /** Maximum age by the issuer; 0 before the first checkpoint. */
  maxStalenessMs = 0;

  /** Where the next stream starts; empty: at the beginning of the log. */
  get cursor(): string {
    return this.#cursor;
  }

  get sequence(): number {
    return this.#complete?.sequence ?? 0;
  }

  get size(): number {
    return this.#complete?.set.size ?? 0;
  }

  /** The log is complete up to this time, by the database's clock; 0 before the first checkpoint. */
  get asOfMs(): number {
    return this.#complete?.asOfMs ?? 0;
  }

  get hasUnknownEntry(): boolean {
    return (this.#pending ?? this.#complete)?.hasUnknownEntry === true;
  }

  /** Maximum age at a time, in milliseconds; `Infinity` if it is not complete. */
  ageMs(nowMs: number): number {
    return this.#complete === undefined || this.#complete.hasUnknownEntry
      ? Number.POSITIVE_INFINITY
      : nowMs - this.#complete.knownAtMs;
  }

  /** Whether a token with these claims is revoked. */
  revokes(claims: CheckedClaims): boolean {
    if (this.#complete === undefined) return false;
    const { set, sequence, asOfMs } = this.#complete;
    // Issued before the log was read, but with a number above its end: from a history that the database has lost.
    const isLost = claims.rev > sequence && (claims.iat + 1) * 1_000 <= asOfMs;
    return isLost || set.revokes(claims);
  }

  /** Call this when a stream is requested from `cursor` on. */
  begin(nowMs: number): void {
    this.#calledAtMs = nowMs;
    this.#offsetMs = undefined;
    if (this.hasUnknownEntry) this.#cursor = "";
    if (this.#cursor === "") this.#pending = newSnapshot();
  }

  /** Call this when the server does not know the cursor. */
  startOver(): void {
    this.#cursor = "";
  }

  /** Adds a message of the stream. @returns whether it completes the log up to some time */
  add(message: WatchRevocationsResponse, nowMs: number): boolean {
    const snapshot = this.#pending ?? this.#complete ?? newSnapshot();
    for (const entry of message.revocations) add(snapshot, entry);
    this.#cursor = message.cursor;
    // A field that was not sent is not a member of the message, but a polluted `Object.prototype` can have it.
    const checkpoint = ownMember(message, "checkpoint");
    const asOf = checkpoint && ownMember(checkpoint, "asOf");
    const maxStaleness = checkpoint && ownMember(checkpoint, "maxStaleness");
    if (checkpoint === undefined || asOf === undefined || maxStaleness === undefined) return false;
    this.maxStalenessMs = durationMs(maxStaleness);
    this.#reach(snapshot, checkpoint.sequence, timestampMs(asOf), nowMs);
    return true;
  }

  #reach(snapshot: Snapshot, sequence: Checkpoint["sequence"], asOfMs: number, nowMs: number): void {
    // The server reads the log after the call. So the first checkpoint of a stream counts as old as the call, which is its
    // maximum age, and sets the difference between the clocks: no later checkpoint counts as younger than it is, however
    // late it arrives, and this machine's time of day is not used. One millisecond more, because times are rounded. A
    // checkpoint from the future shows that the database's clock was set ahead.
    this.#offsetMs = Math.min(this.#offsetMs ?? this.#calledAtMs - 1 - asOfMs, nowMs - asOfMs);
    snapshot.sequence = Math.max(snapshot.sequence, Number(sequence));
    snapshot.asOfMs = asOfMs;
    snapshot.knownAtMs = asOfMs + this.#offsetMs;
    this.#complete = snapshot;
    this.#pending = undefined;
    if (Math.abs(asOfMs - this.#forgottenMs) < forgetEveryMs) return;
    this.#forgottenMs = asOfMs;
    snapshot.set.forget(asOfMs - clockAheadMs);
  }
}

function newSnapshot(): Snapshot {
  return { set: new RevocationSet(), sequence: 0, asOfMs: 0, knownAtMs: 0, hasUnknownEntry: false };
}

function add(snapshot: Snapshot, entry: Entry): void {
  const target = targetOf(entry);
  const forgetAfter = ownMember(entry, "forgetAfter");
  if (target === undefined || forgetAfter === undefined) {
    snapshot.hasUnknownEntry = true;
    return;
  }
  const seq = Number(entry.sequence);
  snapshot.set.add({ seq, target, forgetAfterMs: timestampMs(forgetAfter) });
  snapshot.sequence = Math.max(snapshot.sequence, seq);
}

function targetOf({ target }: Entry): RevocationTarget | undefined {
  switch (target.case) {
    case "tokenId":
      return { kind: "token", id: target.value };
    case "sessionId":
      return { kind: "session", id: target.value };
    case "userId":
      return { kind: "user", id: target.value };
    case "clientId":
      return { kind: "client", id: target.value };
    case "keyId":
      return { kind: "key", id: target.value };
    case "everything":
      return { kind: "everything" };
    case undefined:
      return undefined;
  }
}
