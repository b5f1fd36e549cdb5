import { each } from "../each.ts";
import { poll } from "../poll.ts";
import type { Actions } from "./actions.ts";
import { isVerdict, type LoadCalls, type LoadServer } from "./calls.ts";
import type { Random } from "./random.ts";
import type { LoadRecord } from "./report.ts";
import type { PooledSession, PooledToken, SessionPool } from "./session-pool.ts";

export interface EndCheckDeps {
  readonly pool: SessionPool;
  readonly calls: LoadCalls;
  readonly actions: Actions;
  readonly servers: readonly [LoadServer, LoadServer];
  readonly record: LoadRecord;
  readonly random: Random;
}

const timeoutMs = 60_000;

/**
 * Asks both servers after everything: each session that was never revoked still refreshes, each that was is
 * dead with its tokens, and so is each token revoked by itself.
 * @throws {Error} if there is no verdict for a minute
 */
export async function checkEnd(deps: EndCheckDeps, atOnce: number): Promise<void> {
  const { pool, calls, actions, servers, record, random } = deps;
  await poll("every Revoke is answered", timeoutMs, async () => {
    await actions.settleDoubt(random);
    return actions.doubts === 0 ? true : undefined;
  });

  async function refresh(session: PooledSession, on: LoadServer, is: "living" | "ended"): Promise<string> {
    return poll(`a verdict about a session that is ${is}`, timeoutMs, async () => {
      const outcome = await (is === "living"
        ? actions.refreshHeld(session, on)
        : calls.refresh(session, on, is));
      return isVerdict(outcome) ? outcome : undefined;
    });
  }
  async function introspect(token: PooledToken): Promise<void> {
    for (const on of servers) {
      await poll("a verdict about a token", timeoutMs, async () =>
        isVerdict(await calls.introspect(token, on)) ? true : undefined,
      );
    }
  }
  /** Whether both servers refuse, or grant, its refresh. */
  async function agree(session: PooledSession, is: "living" | "ended", expected: string): Promise<boolean> {
    for (const on of servers) {
      if ((await refresh(session, on, is)) !== expected) return false;
      await introspect(session.accessTokens.at(-1) ?? session.refreshToken);
    }
    return true;
  }
  await each([...pool.living], atOnce, async (session) => {
    if (await agree(session, "living", "granted")) record.verified.living += 1;
  });
  await each(pool.ended, atOnce, async (session) => {
    if (await agree(session, "ended", "SESSION_ENDED")) record.verified.dead += 1;
  });
  await each(pool.endedTokens, atOnce, introspect);
}
