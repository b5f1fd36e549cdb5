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

/** Claims, and when the token was issued. */
export type JudgedClaims = RevocableClaims & { readonly iat: number };

interface Part {
  readonly set: RevocationSet;
  /** Number of the last entry. */
  sequence: number;
  /** Up to this time, by the database's clock, it is whole. */
  asOfMs: number;
  /** The same by our clock, or earlier. */
  knownAtMs: number;
  /** Whether it lacks an entry that this version of the library does not know. */
  isBlind: boolean;
}

/** Entries that can hit nothing any more are dropped so often, by the database's time. */
const forgetEveryMs = 60_000;

/**
 * The revocation log as received from consecutive streams of `WatchRevocations`. Times are milliseconds of an `ElapsedClock`,
 * unless they are named as the database's.
 */
export class LogCopy {
  #whole: Part | undefined;
  /** What is being read from the start; what was whole before goes on until this is. */
  #coming: Part | undefined;
  #cursor = "";
  #calledAtMs = 0;
  /** What makes the database's time ours; undefined until the stream has told of a time. */
  #offsetMs: number | undefined;
  #forgottenMs = 0;
  /** How old the copy may become, as the issuer says; 0 until it has said so. */
  maxStalenessMs = 0;

  /** Where the next stream is to go on; empty: at the start. */
  get cursor(): string {
    return this.#cursor;
  }

  get sequence(): number {
    return this.#whole?.sequence ?? 0;
  }

  get size(): number {
    return this.#whole?.set.size ?? 0;
  }

  /** Up to this time, by the database's clock, it is whole; 0 where it never was. */
  get asOfMs(): number {
    return this.#whole?.asOfMs ?? 0;
  }

  get isBlind(): boolean {
    return (this.#coming ?? this.#whole)?.isBlind === true;
  }

  /** How old it may be at a time, in milliseconds; `Infinity` where it is not whole. */
  ageMs(nowMs: number): number {
    return this.#whole === undefined || this.#whole.isBlind
      ? Number.POSITIVE_INFINITY
      : nowMs - this.#whole.knownAtMs;
  }

  /** Whether a token with these claims is over. */
  revokes(claims: JudgedClaims): boolean {
    if (this.#whole === undefined) return false;
    const { set, sequence, asOfMs } = this.#whole;
    // Issued before the log was read, yet numbered above its end: from a history that the database has lost.
    const isLost = claims.rev > sequence && (claims.iat + 1) * 1_000 <= asOfMs;
    return isLost || set.hits(claims);
  }

  /** A stream is asked for now, from `cursor` on. */
  begin(nowMs: number): void {
    this.#calledAtMs = nowMs;
    this.#offsetMs = undefined;
    if (this.isBlind) this.#cursor = "";
    if (this.#cursor === "") this.#coming = newPart();
  }

  /** The server does not know the cursor. */
  startOver(): void {
    this.#cursor = "";
  }

  /** @returns whether everything is known now that the log had at some time */
  take(message: WatchRevocationsResponse, nowMs: number): boolean {
    const part = this.#coming ?? this.#whole ?? newPart();
    for (const entry of message.revocations) add(part, entry);
    this.#cursor = message.cursor;
    // A field that was not sent is not a member of the message, but `Object.prototype` may have it.
    const checkpoint = ownMember(message, "checkpoint");
    const asOf = checkpoint && ownMember(checkpoint, "asOf");
    const maxStaleness = checkpoint && ownMember(checkpoint, "maxStaleness");
    if (checkpoint === undefined || asOf === undefined || maxStaleness === undefined) return false;
    this.maxStalenessMs = durationMs(maxStaleness);
    this.#reach(part, checkpoint.sequence, timestampMs(asOf), nowMs);
    return true;
  }

  #reach(part: Part, sequence: Checkpoint["sequence"], asOfMs: number, nowMs: number): void {
    // The server read the log after it was called. Taken for as old as the call, the first checkpoint of a stream is
    // never taken for younger than it is, and by it no later one is, however late they come; the time of day of this
    // machine is not asked for. A millisecond more, for times are rounded to that. None comes before its time: one that
    // seems to shows that the database's clock was put ahead.
    this.#offsetMs = Math.min(this.#offsetMs ?? this.#calledAtMs - 1 - asOfMs, nowMs - asOfMs);
    part.sequence = Math.max(part.sequence, Number(sequence));
    part.asOfMs = asOfMs;
    part.knownAtMs = asOfMs + this.#offsetMs;
    this.#whole = part;
    this.#coming = undefined;
    if (Math.abs(asOfMs - this.#forgottenMs) < forgetEveryMs) return;
    this.#forgottenMs = asOfMs;
    part.set.forget(asOfMs - clockAheadMs);
  }
}

function newPart(): Part {
  return { set: new RevocationSet(), sequence: 0, asOfMs: 0, knownAtMs: 0, isBlind: false };
}

function add(part: Part, entry: Entry): void {
  const target = targetOf(entry);
  const forgetAfter = ownMember(entry, "forgetAfter");
  if (target === undefined || forgetAfter === undefined) {
    part.isBlind = true;
    return;
  }
  const seq = Number(entry.sequence);
  part.set.add({ seq, target, forgetAfterMs: timestampMs(forgetAfter) });
  part.sequence = Math.max(part.sequence, seq);
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
