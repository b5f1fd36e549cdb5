import type { Revocation, RevocationTarget } from "../../../../client/src/core/revocation-set.ts";
import type { Actor } from "./actor.ts";
import type { EntryId, SessionId, TokenId, UserId, Uuid } from "./ids.ts";

export type { RevocationTarget };

/** The end of the log: the number and the ID of its last entry. */
export interface LogHead {
  readonly seq: number;
  readonly tail: EntryId;
}

/** One entry, with the ID of the entry before it. */
export interface LogEntry extends Revocation {
  readonly id: EntryId;
  readonly previousId: EntryId;
}

export interface LogRead {
  readonly head: LogHead;
  /** The database's time when the read began: the read includes everything that was committed before. */
  readonly asOf: Date;
  /** The database's time during the read, not earlier than `asOf`. A token that expires by then has expired. */
  readonly now: Date;
  /** The version of the keys at that time (`KeyList.version`). */
  readonly keysVersion: Uuid;
  /** Entries after the given head, in order, up to a limit; undefined if the head is the given one. */
  readonly entries: readonly LogEntry[] | undefined;
}

export type RevokeOutcome =
  | { readonly kind: "revoked"; readonly seq: number }
  /** Nothing to add: unknown, ended, or revoked before. `seq` is the log's last number. */
  | { readonly kind: "already"; readonly seq: number }
  /** The session belongs to none of the given `clients`. */
  | { readonly kind: "foreign" };

/** The IDs in an access token. */
export interface TokenOwner {
  readonly userId: UserId | undefined;
  readonly sessionId: SessionId | undefined;
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

/** The revocation log. Each method throws AuthError `UNAVAILABLE` if the store is down. */
export interface RevocationLog {
  /** The head and the entries after `known`, up to a limit, in one snapshot of the primary. */
  readAfter(known: LogHead): Promise<LogRead>;
  /**
   * The head and every entry that still counts, in one snapshot of the primary. Also entries that stopped to count within
   * the last hour, because the clock may have been ahead. `everythingSeq`: the last revocation of everything.
   */
  readAll(): Promise<LogRead & { readonly entries: readonly LogEntry[]; readonly everythingSeq: number }>;

  /** `expiresAt`: when the token expires; `whose`: its owner, for the audit. */
  revokeToken(tokenId: TokenId, expiresAt: Date, actor: Actor, whose: TokenOwner): Promise<RevokeOutcome>;
  /** `clients`: only a session of one of these. */
  revokeSession(
    sessionId: SessionId,
    clients: ReadonlySet<string> | undefined,
    actor: Actor,
  ): Promise<RevokeOutcome>;
  revokeUser(userId: UserId, actor: Actor): Promise<RevokeOutcome>;
  revokeClient(clientId: string, actor: Actor): Promise<RevokeOutcome>;
  revokeEverything(actor: Actor): Promise<RevokeOutcome>;
  /** The last number, for a revocation that adds no entry. */
  readSeq(): Promise<number>;
  /** After a restore: revokes everything that was ever issued, also in histories that the database has lost. */
  recover(actor: Actor): Promise<RecoverOutcome>;
  /** Records that the log was found rewound. */
  recordRewind(found: { known: LogHead; head: LogHead }): Promise<void>;
}
