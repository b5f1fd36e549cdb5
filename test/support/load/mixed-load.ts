import { randomInt } from "node:crypto";
import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { copyUsers } from "../people/copy-users.ts";
import { createUser } from "../people/people.ts";
import { openSessionSource } from "../people/session-source.ts";
import { scaled } from "../run/scale.ts";
import { TOKENS } from "../servers/server-process.ts";
import type { TwoServers } from "../servers/two-servers.ts";
import { type ActionName, createActions, defaultWeights } from "./actions.ts";
import { createCalls, type LoadServer } from "./calls.ts";
import { checkEnd } from "./end-check.ts";
import { createLeanClient } from "./lean-client.ts";
import { createRandom, type Random } from "./random.ts";
import { LoadRecord, type LoadReport } from "./report.ts";
import { SessionPool } from "./session-pool.ts";

export interface MixedLoadOptions {
  /** Where the two are now, asked at every call; the two servers' http listeners by default. */
  readonly urls?: readonly [() => string, () => string];
  /** Calls in flight at once. Each lane waits for its own answer. */
  readonly lanes?: number;
  readonly users?: number;
  /** Living sessions; new ones are opened as others end. */
  readonly sessions?: number;
  /** Seed of the lanes' choices; random by default, and shown in the report. */
  readonly seed?: number;
  /** How often an action is chosen next to the others; one left out keeps its default. */
  readonly weights?: Partial<Readonly<Record<ActionName, number>>>;
  /** Sent with every call, in milliseconds. */
  readonly deadlineMs?: number;
  /** How much later than its deadline the answer to a call may come in, in milliseconds. */
  readonly slackMs?: number;
}

/** A load that runs, and the faults of its servers meanwhile are what a test is about. */
export interface MixedLoad extends AsyncDisposable {
  /**
   * Resolves when so many more calls have finished, with or without a verdict.
   * @throws {Error} where that takes more than two minutes
   */
  more(calls: number): Promise<void>;
  /**
   * Ends the lanes, asks both servers after every session, and reports. Both have to be well by then.
   * @throws {Error} where a call gets no verdict for a minute
   */
  finish(): Promise<LoadReport>;
}

const timeoutMs = 120_000;
/** The pause between a lane's calls, unless a test waits for more of them: the servers need the processor to recover. */
const restMs = 200;

/**
 * Puts Login, Refresh, Introspect and Revoke on two servers of one database. They should give access tokens a
 * life of an hour (`POSTERN_ACCESS_TTL`), for none is meant to expire.
 */
export async function startMixedLoad(two: TwoServers, options: MixedLoadOptions = {}): Promise<MixedLoad> {
  const { lanes = 32, seed = randomInt(2 ** 31) } = options;
  const { users = scaled(60, { atLeast: 20 }), sessions = scaled(240, { atLeast: 80 }) } = options;
  const urls = options.urls ?? [() => two.a.server.http, () => two.b.server.http];
  const servers = openServers(urls, options);
  const pool = new SessionPool(await copyUsers(two, await createUser(two.a.users), users));
  const source = await openSessionSource(two);
  const record = new LoadRecord(seed);
  const calls = createCalls(record);
  const actions = createActions({ pool, calls, source, servers });
  const choose = chooser({ ...defaultWeights, ...options.weights });
  let isStopping = false;
  let awaited = 0;

  async function lane(random: Random): Promise<void> {
    while (!isStopping) {
      if (awaited === 0) await delay(restMs);
      const isDry = pool.living.length < sessions;
      if (isDry && (await actions.open(random))) continue;
      if (random.below(10) === 0 && (await actions.settleDoubt(random))) continue;
      // Where nothing was found, no call has let the other lanes go on.
      if (!(await actions[choose(random)](random))) await setImmediate();
    }
  }
  const running = Promise.all(Array.from({ length: lanes }, (_, index) => lane(createRandom(seed + index))));
  running.catch(() => {});

  async function stop(): Promise<void> {
    isStopping = true;
    await running;
  }
  return {
    async more(count) {
      const stopped = new AbortController();
      const tooLong = delay(timeoutMs, undefined, { signal: stopped.signal }).then(() => {
        const message = `the load did not make ${count} calls within ${timeoutMs} ms`;
        throw new Error(message, { cause: record.openFault });
      });
      tooLong.catch(() => {});
      awaited += 1;
      try {
        await Promise.race([record.more(count), tooLong, running]);
      } finally {
        awaited -= 1;
        stopped.abort();
      }
    },
    async finish() {
      await stop();
      await checkEnd({ pool, calls, actions, servers, random: createRandom(seed - 1), record }, lanes);
      return record.report();
    },
    async [Symbol.asyncDispose]() {
      try {
        await stop();
      } finally {
        for (const { web, admin } of servers) {
          web[Symbol.dispose]();
          admin[Symbol.dispose]();
        }
        await source[Symbol.asyncDispose]();
      }
    },
  };
}

function openServers(
  [first, second]: readonly [() => string, () => string],
  { deadlineMs = 5_000, slackMs = 5_000 }: MixedLoadOptions,
): readonly [LoadServer, LoadServer] {
  const open = (name: string, url: () => string) => {
    const as = (credential: string) => createLeanClient({ url, credential, deadlineMs, slackMs });
    return { name, web: as(TOKENS.web), admin: as(TOKENS.admin) };
  };
  return [open("a", first), open("b", second)];
}

function chooser(weights: Readonly<Record<ActionName, number>>): (random: Random) => ActionName {
  const names = Object.keys(weights) as ActionName[];
  // In thousandths, one name for each.
  const urn = names.flatMap((name) => Array<ActionName>(Math.round(weights[name] * 1_000)).fill(name));
  if (urn.length === 0) throw new RangeError("nothing is ever chosen");
  return (random) => random.pick(urn) as ActionName;
}
