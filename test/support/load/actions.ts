import type { SessionSource } from "../people/session-source.ts";
import { isVerdict, type LoadCalls, type LoadServer, NEVER_SENT, type RevokeTarget } from "./calls.ts";
import type { Random } from "./random.ts";
import type { PooledSession, PooledToken, SessionPool } from "./session-pool.ts";

/** What a lane may do next. */
export type ActionName =
  | "introspectLiving"
  | "introspectDead"
  | "refresh"
  | "revokeToken"
  | "revokeSession"
  | "revokeUser"
  | "login";

/** How often each is chosen next to the others. A login costs the machine as much as some twenty other calls. */
export const defaultWeights: Readonly<Record<ActionName, number>> = {
  introspectLiving: 46,
  introspectDead: 20,
  refresh: 16,
  revokeToken: 6,
  revokeSession: 3,
  revokeUser: 0.2,
  login: 0.3,
};

export interface ActionDeps {
  readonly pool: SessionPool;
  readonly calls: LoadCalls;
  readonly source: Pick<SessionSource, "open">;
  readonly servers: readonly [LoadServer, LoadServer];
}

/** @returns whether it has found anything to act upon */
type Action = (random: Random) => Promise<boolean>;

export interface Actions extends Readonly<Record<ActionName, Action>> {
  /** Opens a session without a login. */
  readonly open: Action;
  /** Tries once more a Revoke that has had no answer. */
  readonly settleDoubt: Action;
  /** How many Revokes have had none. */
  readonly doubts: number;
  /** Refreshes a session that the caller holds. A refused session is forgotten. */
  refreshHeld(session: PooledSession, on: LoadServer): Promise<string>;
}

/** A Revoke, until it is answered. */
interface Revoking extends RevokeTarget {
  /** What it ends. */
  readonly shows: PooledToken;
  readonly onAnswered?: () => void;
  /** Whether an earlier try may still be carried out. */
  mayLinger: boolean;
}

export function createActions({ pool, calls, source, servers }: ActionDeps): Actions {
  const doubts: Revoking[] = [];

  function pair(random: Random): readonly [LoadServer, LoadServer] {
    const [a, b] = servers;
    return random.below(2) === 0 ? [a, b] : [b, a];
  }
  async function introspect(token: PooledToken | undefined, random: Random): Promise<boolean> {
    if (token === undefined) return false;
    await calls.introspect(token, pair(random)[0]);
    return true;
  }
  /** Revokes on one server, and introspects on the other at once. */
  async function attempt(revoking: Revoking, random: Random): Promise<void> {
    const [one, other] = pair(random);
    const outcome = await calls.revoke(revoking, one);
    if (outcome === "answered") revoking.onAnswered?.();
    else if (!isVerdict(outcome)) {
      revoking.mayLinger ||= outcome !== NEVER_SENT;
      doubts.push(revoking);
    }
    await calls.introspect(revoking.shows, other);
  }
  async function holding(
    random: Random,
    use: (session: PooledSession) => Promise<unknown>,
  ): Promise<boolean> {
    const session = pool.hold(random);
    if (session === undefined) return false;
    await use(session);
    pool.release(session);
    return true;
  }
  async function opening(
    random: Random,
    open: (user: PooledSession["user"]) => Promise<PooledSession | undefined>,
  ): Promise<boolean> {
    const user = pool.holdUser(random);
    if (user === undefined) return false;
    const session = await open(user);
    if (session !== undefined) pool.add(session);
    user.holds -= 1;
    return true;
  }
  async function refreshHeld(session: PooledSession, on: LoadServer): Promise<string> {
    const outcome = await calls.refresh(session, on);
    if (isVerdict(outcome) && outcome !== "granted") pool.forget(session);
    return outcome;
  }

  return {
    async introspectLiving(random) {
      const session = random.pick(pool.living);
      return introspect(session && random.pick(session.tokens), random);
    },

    async introspectDead(random) {
      // Half of the time one of the latest: an end is most easily missed while it is young.
      const isLate = random.below(2) === 0;
      return introspect(random.pick(isLate ? pool.dead.slice(-100) : pool.dead), random);
    },

    refresh: (random) => holding(random, (session) => refreshHeld(session, pair(random)[0])),

    revokeToken: (random) =>
      holding(random, async (session) => {
        if (session.accessTokens.length === 0) await calls.mint(session);
        const shows = pool.endToken(session, random);
        if (shows === undefined) return;
        const { name: id, text: token } = shows;
        await attempt({ target: "token", id, request: { token }, shows, mayLinger: false }, random);
      }),

    revokeSession: (random) =>
      holding(random, async (session) => {
        const { id, refreshToken, tokens } = session;
        const shows = random.pick(tokens) ?? refreshToken;
        const request = random.below(2) === 0 ? { sessionId: id } : { token: refreshToken.text };
        pool.end(session);
        await attempt({ target: "session", id, request, shows, mayLinger: false }, random);
      }),

    async revokeUser(random) {
      const user = pool.close(random);
      const sessions = [...(user?.sessions ?? [])];
      const shows = random.pick(sessions.flatMap(({ tokens }) => tokens));
      if (user === undefined || shows === undefined) return false;
      for (const session of sessions) pool.end(session);
      const { id } = user;
      const revoking: Revoking = {
        target: "user",
        id,
        request: { userId: id },
        shows,
        mayLinger: false,
        onAnswered() {
          user.isClosed = revoking.mayLinger;
        },
      };
      await attempt(revoking, random);
      return true;
    },

    login: (random) => opening(random, (user) => calls.login(user, pair(random)[0])),
    open: (random) => opening(random, (user) => calls.open(user, source)),

    async settleDoubt(random) {
      const revoking = doubts.shift();
      if (revoking === undefined) return false;
      await attempt(revoking, random);
      return true;
    },

    refreshHeld,

    get doubts() {
      return doubts.length;
    },
  };
}
