import { poll } from "../../support/poll.ts";
import { appendLivingEntries } from "../../support/postgres/living-entries.ts";
import type { Site } from "./site.ts";

/** The maximum of one statement: a reader that is further behind loads the whole log again. */
const batch = 5_000;
/** How often the log is analyzed, which autovacuum would do over a longer time. */
const analyzeEvery = 5 * batch;
/** On a slow machine there are fewer of them. */
const giveUpMs = 120_000;

/**
 * Appends living entries to the log, linked as the log links them: of ten, five are of sessions, four of tokens and one
 * of a user. Lets the server read each batch before it appends the next.
 * @returns how many
 */
export async function appendEntries(site: Site, count: number): Promise<number> {
  const untilMs = performance.now() + giveUpMs;
  const [session] = await site.openSessions(1);
  let appended = 0;
  while (appended < count && performance.now() < untilMs) {
    const size = Math.min(batch, count - appended);
    await site.query(appendLivingEntries, [size]);
    appended += size;
    if (appended % analyzeEvery === 0) await site.query("analyze postern.revocations");
    await read(site, session?.accessToken ?? "");
  }
  return appended;
}

/** A server that answers that a token is active has read the log to its end. */
async function read({ clients }: Site, token: string): Promise<void> {
  await poll("the server has read the log", 20_000, async () => {
    const { active } = await clients.auth.introspect({ token });
    return active || undefined;
  });
}
