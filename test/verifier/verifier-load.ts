import { createClients } from "../support/clients/clients.ts";
import { createUser, login, type TestUser } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import type { Replica, TwoServers } from "../support/servers/two-servers.ts";

/** An access token, and what became of it. */
export interface KnownToken {
  readonly text: string;
  /** When `Revoke` was first called for it, or for what it belongs to; of `performance.now()`. */
  endingAtMs: number | undefined;
  /** When `Revoke` had answered. */
  endedAtMs: number | undefined;
}

/** Users who log in, refresh and are revoked in every way there is, each one thing after the other. */
export interface Load {
  readonly tokens: readonly KnownToken[];
  /** The greatest number that a revocation was answered with. */
  readonly sequence: number;
  /**
   * Ends it, and resolves when nothing is in flight.
   * @throws where a call was never answered
   */
  stop(): Promise<void>;
}

/** Retries until there is an answer, also while the server restarts. */
export async function eventually<T>(what: string, call: () => Promise<T>): Promise<T> {
  const { value } = await poll(what, 90_000, async () => ({ value: await call() }));
  return value;
}

interface Session {
  readonly id: string;
  readonly refreshToken: string;
  readonly tokens: KnownToken[];
  isOver: boolean;
}

/** @param random 0 to 1, evenly */
export async function startLoad(two: TwoServers, users: number, random: () => number): Promise<Load> {
  const tokens: KnownToken[] = [];
  let sequence = 0;
  let isOver = false;
  /** Either server, by HTTP/1.1: Connect's HTTP/2 client does not always survive the end of a server. */
  function replica(): Replica {
    const one = random() < 0.5 ? two.a : two.b;
    const as = (credential: string) => createClients({ baseUrl: one.server.http, credential }).auth;
    return { ...one, web: as(TOKENS.web), admin: as(TOKENS.admin) };
  }

  function keep(text: string): KnownToken {
    const token: KnownToken = { text, endingAtMs: undefined, endedAtMs: undefined };
    tokens.push(token);
    return token;
  }

  async function open(user: TestUser): Promise<Session> {
    const { sessionId, refreshToken, accessToken } = await eventually("Login", () =>
      login(replica().web, user.email),
    );
    return { id: sessionId, refreshToken, tokens: [keep(accessToken)], isOver: false };
  }

  async function refresh({ refreshToken, tokens: own }: Session): Promise<KnownToken> {
    const answer = await eventually("Refresh", () => replica().web.refresh({ refreshToken }));
    const token = keep(answer.tokens?.accessToken ?? "");
    own.push(token);
    return token;
  }

  type Target = NonNullable<Parameters<Replica["admin"]["revoke"]>[0]["target"]>;
  async function end(ended: readonly KnownToken[], target: Target): Promise<void> {
    for (const token of ended) token.endingAtMs ??= performance.now();
    const answer = await eventually("Revoke", () => replica().admin.revoke({ target }));
    sequence = Math.max(sequence, Number(answer.sequence));
    for (const token of ended) token.endedAtMs ??= performance.now();
  }

  async function endSessions(ended: readonly Session[], target: Target): Promise<void> {
    for (const session of ended) session.isOver = true;
    await end(
      ended.flatMap((session) => session.tokens),
      target,
    );
  }

  async function live(user: TestUser): Promise<void> {
    let sessions: Session[] = [];
    while (!isOver) {
      sessions = sessions.filter((session) => !session.isOver);
      const session = sessions[Math.floor(random() * sessions.length)];
      const fate = random();
      if (session === undefined || fate < 0.08) {
        sessions.push(await open(user));
      } else if (fate < 0.88) {
        const token = await refresh(session);
        if (random() < 0.7) await end([token], { case: "token", value: token.text });
      } else if (fate < 0.96) {
        await endSessions([session], { case: "sessionId", value: session.id });
      } else {
        await endSessions(sessions, { case: "userId", value: user.id });
      }
    }
  }

  const everybody = await Promise.all(Array.from({ length: users }, () => createUser(two.a.users)));
  const lives = Promise.all(everybody.map(live));
  // A fault is reported at the end.
  lives.catch(() => {});
  return {
    tokens,
    get sequence() {
      return sequence;
    },
    async stop() {
      isOver = true;
      await lives;
    },
  };
}
