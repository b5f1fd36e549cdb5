import type { Random } from "./random.ts";

export interface PooledUser {
  readonly id: string;
  readonly email: string;
  /** Where it logs in from. */
  readonly address: string;
  readonly sessions: Set<PooledSession>;
  /** Lanes that open a session of it, or hold one. */
  holds: number;
  /** Being revoked, or once revoked without an answer: that may still take effect, so no session of it is opened. */
  isClosed: boolean;
}

export interface PooledToken {
  /** Its name in the history. */
  readonly name: string;
  readonly text: string;
  readonly session: PooledSession;
}

export interface OpenedSession {
  readonly id: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Makes an access token without a call. */
  readonly mint?: () => Promise<string>;
}

/** So many access tokens of a session are kept; older ones are forgotten. */
const maxAccessTokens = 5;

export class PooledSession {
  readonly id: string;
  readonly user: PooledUser;
  /** Undefined for one that was opened by a login. */
  readonly mint: (() => Promise<string>) | undefined;
  /** The oldest first. */
  readonly accessTokens: PooledToken[] = [];
  /** The `request_id` of a refresh that has had no verdict yet. */
  pendingRefresh: string | undefined;
  isHeld = false;
  #refreshToken: PooledToken;
  #names = 0;

  constructor(user: PooledUser, { id, refreshToken, mint }: Omit<OpenedSession, "accessToken">) {
    [this.id, this.user, this.mint] = [id, user, mint];
    this.#refreshToken = this.#name(refreshToken);
  }

  get refreshToken(): PooledToken {
    return this.#refreshToken;
  }

  /** Those still good. */
  get tokens(): readonly PooledToken[] {
    return [this.#refreshToken, ...this.accessTokens];
  }

  addAccessToken(text: string): PooledToken {
    const token = this.#name(text);
    this.accessTokens.push(token);
    if (this.accessTokens.length > maxAccessTokens) this.accessTokens.shift();
    return token;
  }

  /** Does nothing where it is the same. */
  replaceRefreshToken(text: string): void {
    if (text !== this.#refreshToken.text) this.#refreshToken = this.#name(text);
  }

  #name(text: string): PooledToken {
    this.#names += 1;
    return { name: `${this.id}.${this.#names}`, text, session: this };
  }
}

/** Whom and what a load knows. Who holds a session is alone in refreshing or revoking it. */
export class SessionPool {
  readonly users: readonly PooledUser[];
  readonly living: PooledSession[] = [];
  /** Revoked, or with a Revoke under way. */
  readonly ended: PooledSession[] = [];
  /** Access tokens revoked by themselves. */
  readonly endedTokens: PooledToken[] = [];
  /** All of those and of the ended sessions, in the order of their ends. */
  readonly dead: PooledToken[] = [];

  constructor(users: readonly { readonly id: string; readonly email: string }[]) {
    this.users = users.map(({ id, email }, index) => ({
      id,
      email,
      address: `198.51.100.${index % 256}`,
      sessions: new Set<PooledSession>(),
      holds: 0,
      isClosed: false,
    }));
  }

  add(session: PooledSession): void {
    session.user.sessions.add(session);
    this.living.push(session);
  }

  /** Holds a living session that is free. */
  hold(random: Random): PooledSession | undefined {
    return some(random, this.living, (one) => {
      if (one.isHeld || one.user.isClosed) return false;
      one.isHeld = true;
      one.user.holds += 1;
      return true;
    });
  }

  release(session: PooledSession): void {
    session.isHeld = false;
    session.user.holds -= 1;
  }

  /** Holds a user for whom a session is to be opened. */
  holdUser(random: Random): PooledUser | undefined {
    return some(random, this.users, (one) => {
      if (one.isClosed) return false;
      one.holds += 1;
      return true;
    });
  }

  /** Closes a user without held sessions. */
  close(random: Random): PooledUser | undefined {
    return some(random, this.users, (one) => {
      if (one.isClosed || one.holds > 0 || one.sessions.size === 0) return false;
      one.isClosed = true;
      return true;
    });
  }

  /** Takes a session, which is about to be revoked, from the living to the ended. */
  end(session: PooledSession): void {
    this.forget(session);
    this.ended.push(session);
    this.dead.push(...session.tokens);
  }

  forget(session: PooledSession): void {
    const index = this.living.indexOf(session);
    if (index !== -1) this.living.splice(index, 1);
    session.user.sessions.delete(session);
  }

  /** Takes an access token, which is about to be revoked, from its session. */
  endToken(session: PooledSession, random: Random): PooledToken | undefined {
    const [token] = session.accessTokens.splice(random.below(session.accessTokens.length), 1);
    if (token !== undefined) {
      this.endedTokens.push(token);
      this.dead.push(token);
    }
    return token;
  }
}

function some<T>(random: Random, items: readonly T[], accept: (item: T) => boolean): T | undefined {
  for (let tries = 0; tries < 8; tries++) {
    const item = random.pick(items);
    if (item !== undefined && accept(item)) return item;
  }
  return undefined;
}
