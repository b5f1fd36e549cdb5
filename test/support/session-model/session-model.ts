/** Spans of the model and of the system it is compared with, in seconds. */
export const lives = { access: 300, grace: 30, session: 2_400, idle: 900 } as const;
export const maxSessions = 3;

export interface ModelUser {
  password: string;
  disabled: boolean;
}

export interface ModelSession {
  readonly user: number;
  readonly client: string;
  readonly createdAt: number;
  lastUsedAt: number;
  /** Of the current refresh token; those before it are spent. */
  generation: number;
  rotatedAt: number;
  rotatedBy: string | undefined;
  /** Whether anybody has shown the current refresh token. */
  currentUsed: boolean;
  /** Revoked, pushed out, or its refresh token reused. */
  ended: boolean;
}

export interface ModelAccessToken {
  readonly session: ModelSession;
  readonly expiresAt: number;
  revoked: boolean;
}

/** What a use case does: tokens of a generation, or the reason of a refusal. */
export type Outcome =
  | { readonly granted: number }
  | "INVALID_CREDENTIALS"
  | "INVALID_REFRESH_TOKEN"
  | "SESSION_ENDED"
  | "REFRESH_TOKEN_REUSED";

export type Target =
  | { readonly kind: "session"; readonly session: ModelSession }
  | { readonly kind: "user"; readonly user: number }
  | { readonly kind: "client"; readonly client: string }
  | { readonly kind: "everything" };

/** What sessions and their tokens may do, said a second time: one thing after another, and no database. */
export class SessionModel {
  now = 0;
  readonly users: ModelUser[] = [0, 1].map(() => ({ password: "first password", disabled: false }));
  readonly sessions: ModelSession[] = [];
  readonly accessTokens: ModelAccessToken[] = [];

  login(user: number, client: string, password: string): Outcome {
    const account = this.users[user];
    if (account === undefined || account.disabled || account.password !== password) {
      return "INVALID_CREDENTIALS";
    }
    const living = this.sessions.filter((one) => one.user === user && this.isAlive(one));
    for (const old of living.slice(0, Math.max(0, living.length - maxSessions + 1))) old.ended = true;
    const { now } = this;
    const session: ModelSession = {
      user,
      client,
      createdAt: now,
      lastUsedAt: now,
      generation: 0,
      rotatedAt: now,
      rotatedBy: undefined,
      currentUsed: false,
      ended: false,
    };
    this.sessions.push(session);
    return this.#grant(session);
  }

  refresh(
    session: ModelSession,
    generation: number,
    { requestId, foreign }: { requestId: string | undefined; foreign: boolean },
  ): Outcome {
    if (foreign) return "INVALID_REFRESH_TOKEN";
    if (!this.isAlive(session)) return "SESSION_ENDED";
    const inGrace = this.now - session.rotatedAt < lives.grace;
    const isCurrent = generation === session.generation;
    const isLast = generation === session.generation - 1;
    const isRetry = !session.currentUsed && requestId !== undefined && requestId === session.rotatedBy;
    if (isCurrent && !inGrace) {
      session.generation += 1;
      session.rotatedAt = session.lastUsedAt = this.now;
      session.rotatedBy = requestId;
      session.currentUsed = false;
    } else if (isCurrent) {
      if (!session.currentUsed) session.lastUsedAt = this.now;
      session.currentUsed = true;
    } else if (isLast && !inGrace && isRetry) {
      session.lastUsedAt = this.now;
    } else if (!(isLast && inGrace)) {
      session.ended = true;
      return "REFRESH_TOKEN_REUSED";
    }
    return this.#grant(session);
  }

  revoke(target: Target): void {
    for (const session of this.sessions) {
      if (
        target.kind === "everything" ||
        (target.kind === "session" && session === target.session) ||
        (target.kind === "user" && session.user === target.user) ||
        (target.kind === "client" && session.client === target.client)
      ) {
        session.ended = true;
      }
    }
  }

  setPassword(user: number, password: string): void {
    const account = this.users[user];
    if (account !== undefined) account.password = password;
    this.revoke({ kind: "user", user });
  }

  setDisabled(user: number, disabled: boolean): void {
    const account = this.users[user];
    if (account === undefined || account.disabled === disabled) return;
    account.disabled = disabled;
    if (disabled) this.revoke({ kind: "user", user });
  }

  isAlive(session: ModelSession): boolean {
    return !session.ended && this.now < endOf(session);
  }

  /** Introspection of a refresh token spends nothing, so a retry's `request_id` plays no part in it. */
  isRefreshTokenActive(session: ModelSession, generation: number): boolean {
    const inGrace = this.now - session.rotatedAt < lives.grace;
    const back = session.generation - generation;
    return this.isAlive(session) && (back === 0 || (back === 1 && inGrace));
  }

  isAccessTokenActive({ session, expiresAt, revoked }: ModelAccessToken): boolean {
    return !revoked && !session.ended && this.now < expiresAt;
  }

  #grant(session: ModelSession): Outcome {
    const expiresAt = Math.min(this.now + lives.access, endOf(session));
    this.accessTokens.push({ session, expiresAt, revoked: false });
    return { granted: session.generation };
  }
}

function endOf(session: ModelSession): number {
  return Math.min(session.createdAt + lives.session, session.lastUsedAt + lives.idle);
}
