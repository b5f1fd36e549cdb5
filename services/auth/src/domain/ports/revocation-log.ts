import type { Revocation, RevocationTarget } from "@postern/client/core/revocation-set.ts";
import type { Actor } from "./actor.ts";
import type { Uuid } from "./ids.ts";

export type { RevocationTarget };

/** Where the log ends: the number and the id of its last entry. */
export interface LogHead {
  readonly seq: number;
  readonly tail: Uuid;
}

/** One entry with what it takes to see that it follows another. */
export interface LogEntry extends Revocation {
  readonly id: Uuid;
  readonly previousId: Uuid;
}

export interface LogRead {
  readonly head: LogHead;
  /** The database's time when the read began: the read includes everything that was committed before. */
  readonly asOf: Date;
  /** The database's time during the read, not earlier than `asOf`. A token that expires by then has expired. */
  readonly now: Date;
  /** Which keys there were then (`KeyList.version`). */
  readonly keysVersion: Uuid;
  /** Entries after the number asked for, in order, the first of many; undefined where the head is the known one. */
  readonly entries: readonly LogEntry[] | undefined;
}

export type RevokeOutcome =
  | { readonly kind: "revoked"; readonly seq: number }
  /** Nothing to add: unknown, over, or revoked already. `seq` is the log's last number. */
  | { readonly kind: "already"; readonly seq: number }
  /** The session is of none of the `clients` named. */
  | { readonly kind: "foreign" };

/** What an access token says of itself. */
export interface TokenOwner {
  readonly userId: Uuid | undefined;
  readonly sessionId: Uuid | undefined;
  readonly clientId: string;
}

export interface RecoverOutcome {
  readonly seq: number;
}

/** Use cases that revoke report it here after their commit. */
export interface RevocationNotifier {
  /** Starts a head read if another replica or a stream waits for the new entry. Never throws and never waits. */
  notice(): void;
}

/** The revocation log. Each method throws PosternError `UNAVAILABLE` when the store is down. */
export interface RevocationLog {
  /** The head and what follows `known`, in one snapshot of the primary; of very many, not all. */
  readAfter(known: LogHead): Promise<LogRead>;
  /** The head and every living entry, and those that are over for an hour at most (the clock may have been ahead), as the primary has them at one moment; what all have in common ended at `everythingSeq`. */
  readAll(): Promise<LogRead & { readonly entries: readonly LogEntry[]; readonly everythingSeq: number }>;

  /** `expiresAt` is the token's own end; `whose` it is, for the audit. */
  revokeToken(tokenId: Uuid, expiresAt: Date, actor: Actor, whose: TokenOwner): Promise<RevokeOutcome>;
  /** `clients`: only a session of one of them. */
  revokeSession(
    sessionId: Uuid,
    clients: ReadonlySet<string> | undefined,
    actor: Actor,
  ): Promise<RevokeOutcome>;
  revokeUser(userId: Uuid, actor: Actor): Promise<RevokeOutcome>;
  revokeClient(clientId: string, actor: Actor): Promise<RevokeOutcome>;
  revokeEverything(actor: Actor): Promise<RevokeOutcome>;
  /** The last number, for a revocation of nothing. */
  readSeq(): Promise<number>;
  /** After a restore: ends everything that was ever issued, in histories that the database lost as well. */
  recover(actor: Actor): Promise<RecoverOutcome>;
  /** Notes that the log was found rewound. */
  recordRewind(found: { known: LogHead; head: LogHead }): Promise<void>;
}
