import { answered, refusal, tally } from "../clients/answers.ts";
import type { Clients } from "../clients/clients.ts";
import { PASSWORD } from "../people/people.ts";
import { poll } from "../poll.ts";
import { readMetrics } from "../servers/metrics.ts";
import type { TwoServers } from "../servers/two-servers.ts";

/** A login; with the right password unless it says otherwise. */
export interface Guess {
  readonly identifier: string;
  readonly password?: string;
  readonly clientAddress?: string;
  readonly deviceToken?: string;
}

export const WRONG = "another orchard, another bridge";

/** Settings of a server by which nothing but what a test names is limited. */
export function limitedTo(limits: string): { readonly POSTERN_LOGIN_LIMITS: string } {
  const named = new Set(limits.split(",").map((entry) => entry.split("=")[0]));
  const off = ["account", "account_all", "address", "total"].filter((name) => !named.has(name));
  return { POSTERN_LOGIN_LIMITS: [limits, ...off.map((name) => `${name}=off`)].filter(Boolean).join(",") };
}

/** Tries of logins on which the server has not decided. */
let undecided = 0;
const onUndecided = () => {
  undecided += 1;
};

/** The outcome of a login: `answered`, or the reason of its refusal. Retries while the server has not decided. */
export async function verdict(auth: Clients["auth"], guess: Guess): Promise<string> {
  return refusal(answered(() => auth.login({ password: PASSWORD, ...guess }), onUndecided));
}

/**
 * Does it until it goes well, or the servers have decided on every try of a login: one that had no verdict may have
 * been judged and counted.
 * @param work on people whom it has met nowhere else
 */
export async function whereDecided(work: () => Promise<void>): Promise<void> {
  for (let rounds = 1; ; rounds += 1) {
    const before = undecided;
    try {
      await work();
      return;
    } catch (error) {
      if (undecided === before || rounds === 10) throw error;
    }
  }
}

/**
 * Repeats it until Redis has answered every command, and the servers have decided on every attempt: what Redis is late
 * for, a replica counts by itself.
 * @param work on people whom it has met nowhere else
 */
export async function unmissed<T>({ a, b }: TwoServers, work: () => Promise<T>): Promise<T> {
  const servers = [a.server, b.server];
  async function missed(): Promise<number> {
    const both = await Promise.all(servers.map(({ ops }) => readMetrics(ops)));
    return both.reduce((sum, metrics) => sum + (metrics.get("postern_redis_faults_total") ?? 0), undecided);
  }
  return poll("a round that Redis answers", 120_000, async () => {
    for (const { ops } of servers) await untilRedisIsUp(ops);
    const before = await missed();
    const outcome = await work();
    return (await missed()) === before ? outcome : undefined;
  });
}

/** @param ops the operator's listener of a server */
export async function untilRedisIsUp(ops: string): Promise<void> {
  await poll("the server has its Redis", 60_000, async () => {
    const { stores } = (await (await fetch(`${ops}/readyz`)).json()) as { stores: { redis: string } };
    return stores.redis === "up" ? true : undefined;
  });
}

/** Guesses wrong, so many times, one after the other. @returns how often what came of it */
export async function guessWrong(
  auth: Clients["auth"],
  guess: Guess,
  times: number,
): Promise<Record<string, number>> {
  const verdicts: string[] = [];
  for (let time = 0; time < times; time++) verdicts.push(await verdict(auth, { password: WRONG, ...guess }));
  return tally(verdicts);
}

/** Logs in with the right password. @returns the token by which this device is known from now on */
export async function knownDevice(auth: Clients["auth"], guess: Guess): Promise<string> {
  const { outcome } = await answered(() => auth.login({ password: PASSWORD, ...guess }), onUndecided);
  const { deviceToken = "" } = outcome.value ?? {};
  if (deviceToken === "") throw new Error("no device token came back");
  return deviceToken;
}

let hosts = 0;
/** An IPv4 address without a login (of RFC 2544's range). */
export function newAddress(): string {
  hosts += 1;
  return `198.18.${hosts >> 8}.${hosts & 0xff}`;
}
