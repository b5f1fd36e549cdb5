import type { SessionId, UserId, Uuid } from "./ids.ts";

export interface Session {
  readonly id: SessionId;
  readonly userId: UserId;
  readonly clientId: string;
  readonly device: string;
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
  readonly amr: readonly string[];
}

/** What tokens are made from: the session at `now`. */
export interface SessionGrant {
  readonly sessionId: SessionId;
  readonly userId: UserId;
  readonly clientId: string;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
  /** The user's roles now. */
  readonly roles: readonly string[];
  readonly amr: readonly string[];
  readonly authTime: Date;
  /** The revocation log's number when the user was authenticated. */
  readonly rev: number;
  /** Number of the key behind the session's refresh tokens. */
  readonly refreshKey: number;
  /** Generation of the session's current refresh token. */
  readonly generation: number;
  /** When the session ends if it is not refreshed again. */
  readonly endsAt: Date;
  /** The database's time. */
  readonly now: Date;
  /** The version of the keys at that time (`KeyList.version`). */
  readonly keysVersion: Uuid;
}

export interface NewSession {
  readonly id: SessionId;
  readonly userId: UserId;
  /** What the password was checked against. The session opens only if this and `rev` are still current. */
  readonly passwordVersion: number;
  readonly rev: number;
  readonly caller: string;
  readonly clientId: string;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
  readonly amr: readonly string[];
  readonly refreshKey: number;
  readonly device: string;
  readonly clientAddress: string;
  /** The same address, folded by `addressKey`. It is known for this user from now on. */
  readonly addressKey?: string | undefined;
  readonly userAgent: string;
  readonly requestId: string;
}

export type OpenOutcome =
  | { readonly kind: "opened"; readonly grant: SessionGrant; readonly session: Session }
  /** The password was changed, or the user was disabled, since it was read. */
  | { readonly kind: "stale" }
  /** The user, the client or everything was revoked since it was read. */
  | { readonly kind: "revoked" };

export interface RotateRequest {
  readonly sessionId: SessionId;
  readonly refreshKey: number;
  readonly generation: number;
  readonly caller: string;
  /** If set, it must be the session's client. */
  readonly clientId: string | undefined;
  /** If set, it must be within the session's scope. Checked before the token is spent. */
  readonly scope: readonly string[] | undefined;
  readonly clientRequestId: string | undefined;
  readonly requestId: string;
}

export type RotateOutcome =
  /** `grant.generation` is the session's current one, new or not. */
  | { readonly kind: "granted"; readonly grant: SessionGrant }
  | { readonly kind: "unknown" }
  | { readonly kind: "foreign" }
  | { readonly kind: "ended" }
  | { readonly kind: "reused" }
  | { readonly kind: "scope_too_wide" };

/** The state of a refresh token, read without spending it. */
export type RefreshTokenState =
  | { readonly kind: "alive"; readonly grant: SessionGrant; readonly caller: string }
  | { readonly kind: "dead" };

/** What ends everything below a number of the log's. */
export type CutoffKind = "user" | "client" | "everything";

/** A session, open or ended. */
export interface SessionRecord extends Session {
  /** The caller that opened it. Only this caller may refresh it. */
  readonly caller: string;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
  /** Set if this session itself was ended. `by` is `revoked`, `reuse` or `too_many`. */
  readonly ended: { readonly at: Date; readonly by: string } | undefined;
  /** Revocations of its user, its client or everything that apply to it, even if it had ended before. */
  readonly cutoffs: readonly CutoffKind[];
  /** When it ends if it is not refreshed. */
  readonly idleAt: Date;
  /** The database's time. */
  readonly now: Date;
}

/** Sessions. Each method throws AuthError `UNAVAILABLE` if the store is down. */
export interface SessionStore {
  open(session: NewSession): Promise<OpenOutcome>;
  rotate(request: RotateRequest): Promise<RotateOutcome>;
  readRefreshToken(token: {
    sessionId: SessionId;
    refreshKey: number;
    generation: number;
  }): Promise<RefreshTokenState>;
  /** Open sessions, the newest first; `clients`: only of these clients. */
  list(page: {
    userId: UserId;
    before: SessionId | undefined;
    limit: number;
    clients: ReadonlySet<string> | undefined;
  }): Promise<Session[]>;
  find(id: SessionId): Promise<SessionRecord | undefined>;
  /** Sessions of a user, a client, or both; the newest first. */
  search(page: {
    userId: UserId | undefined;
    clientId: string | undefined;
    /** Also ended sessions, until they are deleted. */
    all: boolean;
    before: SessionId | undefined;
    limit: number;
  }): Promise<SessionRecord[]>;
}

/** Lifetimes and limits of sessions, from the configuration. */
export interface SessionPolicy {
  readonly accessTtlMs: number;
  readonly sessionTtlMs: number;
  readonly idleTtlMs: number;
  readonly maxSessions: number;
  readonly refreshGraceMs: number;
}
