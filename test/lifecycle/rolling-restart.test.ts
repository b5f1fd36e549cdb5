import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type Clients, createClients, type Protocol, reasonOf } from "../support/clients/clients.ts";
import { createUser, login, loginOnce } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { scaled } from "../support/run/scale.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const restarts = scaled(10, { atLeast: 4 });
const callsBetween = 200;
/** Much longer than the interval of the checks, also on a loaded machine. */
const drainDelay = "2s";
/** Between the rounds of a user: the load is there to meet every moment of a restart, not to fill the processor. */
const restMs = 60;
/** Between looks at a server's readiness. */
const lookMs = 50;
/** How old what `late` goes by is; that and a look are well under the drain delay, as they have to be. */
const lateMs = 200;
const patient = { timeoutMs: 20_000 };

/**
 * Whom a client calls: the servers that are `ready`; those that were ready a while ago (`late`, as where endpoints
 * spread slowly); or any that is not draining, also before it is ready (`eager`).
 */
type Choice = "ready" | "late" | "eager";

/** A place that servers are started in, one after the other, on the same ports. */
interface Place extends AsyncDisposable {
  readonly http: string;
  readonly grpc: string;
  /** As of the looks so far. */
  isOpenTo(choice: Choice): boolean;
  /** Ends the server in good order, and resolves to its exit code. */
  stop(): Promise<number | null>;
  /** Starts a new one, and resolves when clients of every kind call it. */
  start(): Promise<void>;
}

async function openPlace(databaseUrl: string, masterKey: string): Promise<Place> {
  const [http, grpc, ops] = [await freePort(), await freePort(), await freePort()];
  const env = {
    POSTERN_HTTP_ADDR: `127.0.0.1:${http}`,
    POSTERN_GRPC_ADDR: `127.0.0.1:${grpc}`,
    POSTERN_OPS_ADDR: `127.0.0.1:${ops}`,
    POSTERN_MASTER_KEY: masterKey,
    POSTERN_DRAIN_DELAY: drainDelay,
  };
  let server: ServerProcess | undefined;
  const isOpen: Record<Choice, boolean> = { ready: false, late: false, eager: true };
  const looks = setInterval(async () => {
    const status = await readiness(`http://127.0.0.1:${ops}`);
    isOpen.ready = status === "ready";
    isOpen.eager = status !== "draining";
    const then = isOpen.ready;
    setTimeout(() => {
      isOpen.late = then;
    }, lateMs);
  }, lookMs);
  const stop = async () => (await server?.stop()) ?? null;
  async function start(): Promise<void> {
    server = await startServer({ databaseUrl, env });
    await poll("called by all", 20_000, async () =>
      Object.values(isOpen).every(Boolean) ? true : undefined,
    );
  }
  await start();
  return {
    http: `http://127.0.0.1:${http}`,
    grpc: `http://127.0.0.1:${grpc}`,
    stop,
    start,
    isOpenTo: (choice) => isOpen[choice],
    async [Symbol.asyncDispose]() {
      clearInterval(looks);
      await stop();
    },
  };
}

/** The status of `/readyz`; undefined without an answer. */
async function readiness(ops: string): Promise<unknown> {
  try {
    return ((await (await fetch(`${ops}/readyz`)).json()) as { status: unknown }).status;
  } catch {
    return undefined;
  }
}

/** Calls one of two servers, and the other one if, and only if, the first is UNAVAILABLE. */
class Balancer implements Disposable {
  /** Answered or failed. */
  calls = 0;
  retries = 0;
  /** Calls for which the database was too late on a server, while the other server was not there or late too. */
  late = 0;
  readonly failures: string[] = [];
  readonly #places: readonly Place[];
  readonly #clients: readonly Clients[];
  readonly #choice: Choice;
  #turn = 0;

  constructor(places: readonly Place[], choice: Choice, protocol: Protocol) {
    this.#places = places;
    this.#choice = choice;
    this.#clients = places.map(({ http, grpc }) =>
      createClients({ baseUrl: protocol === "grpc" ? grpc : http, protocol, credential: TOKENS.web }),
    );
  }

  /** @returns undefined if the call has failed */
  async call<T>(name: string, send: (auth: Clients["auth"]) => Promise<T>): Promise<T | undefined> {
    for (;;) {
      const [first, second] = this.#order();
      const errors: unknown[] = [];
      try {
        const answer = await this.#tryBoth(first, second, send, errors);
        this.calls += 1;
        return answer;
      } catch {
        if (errors.some(isDatabaseLate) && errors.every((one) => isDatabaseLate(one) || isRefused(one))) {
          this.late += 1;
          continue;
        }
        this.calls += 1;
        this.failures.push(`${this.#choice} ${name}: ${errors.join(", then ")}`);
        return undefined;
      }
    }
  }

  [Symbol.dispose](): void {
    for (const clients of this.#clients) clients[Symbol.dispose]();
  }

  #order(): readonly [number, number] {
    this.#turn += 1;
    const [first, second] = this.#turn % 2 === 0 ? [0, 1] : [1, 0];
    return this.#places[first]?.isOpenTo(this.#choice) ? [first, second] : [second, first];
  }

  async #tryBoth<T>(
    first: number,
    second: number,
    send: (auth: Clients["auth"]) => Promise<T>,
    errors: unknown[],
  ): Promise<T> {
    const once = async (index: number) => {
      try {
        return await send((this.#clients[index] as Clients).auth);
      } catch (error) {
        errors.push(error);
        throw error;
      }
    };
    try {
      return await once(first);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable) throw error;
      this.retries += 1;
      return once(second);
    }
  }
}

/** On a loaded machine this happens on either server. */
function isDatabaseLate(error: unknown): boolean {
  return reasonOf(error) === "UNAVAILABLE";
}

/** The server is not there. */
function isRefused(error: unknown): boolean {
  return `${error}`.includes("ECONNREFUSED");
}

/** One user's calls, one after the other, until it is stopped. */
async function live(balancer: Balancer, email: string, first: Tokens, stopping: AbortSignal): Promise<void> {
  let tokens = first;
  const introspect = (token: string, expected: boolean) =>
    balancer.call("Introspect", async (auth) => {
      const { active } = await auth.introspect({ token }, patient);
      if (active !== expected) throw new Error(`active: ${active}`);
    });
  for (let round = 1; !stopping.aborted; round += 1) {
    await wait(restMs);
    await introspect(tokens.accessToken, true);
    await introspect(tokens.refreshToken, true);
    if (round % 4 === 0) {
      const request = { refreshToken: tokens.refreshToken, requestId: randomUUID() };
      const answer = await balancer.call("Refresh", (auth) => auth.refresh(request, patient));
      tokens = answer?.tokens ?? tokens;
    }
    if (round % 16 === 0) {
      const fresh = await balancer.call("Login", (auth) => loginOnce(auth, email));
      if (fresh === undefined) continue;
      const target = { case: "token", value: tokens.refreshToken } as const;
      await balancer.call("Revoke", (auth) => auth.revoke({ target }, patient));
      await introspect(tokens.accessToken, false);
      tokens = fresh;
    }
  }
}

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

test("O07: no call that is retried once fails while two servers are restarted in turn under load", {
  timeout: 180_000,
}, async ({ annotate }) => {
  await using database = await createDatabase();
  const masterKey = randomBytes(32).toString("base64");
  await using one = await openPlace(database.url, masterKey);
  await using other = await openPlace(database.url, masterKey);
  const places = [one, other];
  using admin = createClients({ baseUrl: one.http, credential: TOKENS.admin });
  using web = createClients({ baseUrl: one.http, credential: TOKENS.web });
  using disposables = new DisposableStack();

  const kinds = (["ready", "late", "eager"] as const).flatMap((choice) =>
    (["connect", "grpc"] as const).map((protocol) => ({ choice, protocol })),
  );
  const stopping = new AbortController();
  const balancers = kinds.map(({ choice, protocol }) =>
    disposables.use(new Balancer(places, choice, protocol)),
  );
  const lives: Promise<void>[] = [];
  for (const balancer of balancers) {
    for (let user = 0; user < 2; user += 1) {
      const { email } = await createUser(admin.admin);
      lives.push(live(balancer, email, await login(web.auth, email), stopping.signal));
    }
  }
  const calls = () => balancers.reduce((sum, balancer) => sum + balancer.calls, 0);
  const failures = () => balancers.flatMap((balancer) => balancer.failures);
  async function more(): Promise<void> {
    const goal = calls() + callsBetween;
    await poll("more calls", 60_000, async () =>
      calls() >= goal || failures().length > 0 ? true : undefined,
    );
  }

  const whileEnding: number[] = [];
  for (let restart = 0; restart < restarts; restart += 1) {
    const place = restart % 2 === 0 ? one : other;
    await more();
    const before = calls();
    expect(await place.stop()).toBe(0);
    whileEnding.push(calls() - before);
    await place.start();
  }
  await more();
  stopping.abort();
  await Promise.all(lives);

  const rows = kinds.map(({ choice, protocol }, index) => {
    const { calls, retries, late } = balancers[index] as Balancer;
    return `${choice} ${protocol}: ${calls} calls, ${retries} retried, ${late} with the database late`;
  });
  await annotate(`${rows.join("\n")}\ncalls while a server ended: ${whileEnding.join(" ")}`);
  expect(failures()).toEqual([]);
  expect(Math.min(...whileEnding)).toBeGreaterThan(0);
  // Each was restarted under load of every kind.
  for (const balancer of balancers) expect(balancer.calls).toBeGreaterThan(restarts);
});
