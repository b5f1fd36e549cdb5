import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, inject, test } from "vitest";
import { createClients } from "../support/clients/clients.ts";
import type { SeenEntry } from "../support/clients/revocation-reader.ts";
import { createWatchers, protocols, revokeClient, untilWatchers } from "../support/clients/watchers.ts";
import { frame, openGrpc } from "../support/clients/wire.ts";
import { each } from "../support/each.ts";
import { startTcpProxy, type TcpProxy } from "../support/faults/tcp-proxy.ts";
import { poll } from "../support/poll.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { startRedis } from "../support/redis/redis.ts";
import { scaled } from "../support/run/scale.ts";
import { keepState, reconnected } from "../support/servers/kept-state.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const WATCH = "/postern.auth.v1.AuthService/WatchRevocations";
const authorization = `Bearer ${TOKENS.admin}`;
/** The call from the beginning, by Connect's binary over HTTP/1.1. */
const byHttp = [
  `POST ${WATCH} HTTP/1.1`,
  "host: postern",
  `authorization: ${authorization}`,
  "content-type: application/connect+proto",
  "content-length: 5",
  "",
  "\0\0\0\0\0",
].join("\r\n");

const watchers = createWatchers();
const { watch } = watchers;
afterEach(() => watchers[Symbol.asyncDispose]());

/** Numbers and targets of the log, as Postgres has it. */
async function log(two: TwoServers): Promise<[number, string][]> {
  const rows = await two.query("select seq::int, client_id from postern.revocations order by seq");
  return rows.map(({ seq, client_id }) => [Number(seq), String(client_id)]);
}
const shown = (entries: readonly SeenEntry[]) => entries.map(({ sequence, target }) => [sequence, target]);

function proxyTo(url: string): Promise<TcpProxy> {
  const { hostname: host, port } = new URL(url);
  return startTcpProxy({ host, port: Number(port) });
}

test("L14: 20 readers that are disconnected again and again get every revocation, once", {
  timeout: 180_000,
}, async ({ annotate }) => {
  await using two = await startTwoServers();
  const replicas = [two.a, two.b];
  await using opened = new AsyncDisposableStack();
  const proxies = new Map<string, TcpProxy>();
  for (const url of replicas.flatMap(({ server }) => [server.grpc, server.http])) {
    proxies.set(url, opened.use(await proxyTo(url)));
  }
  const through = (url: string) => proxies.get(url)?.through(url).replace(/\/$/, "") ?? url;
  const last = Promise.withResolvers<number>();
  let streams = 0;
  const revocations = scaled(400, { atLeast: 100 });

  /** Goes on where it was, at the other server and by the next protocol, until it has all. */
  async function follow(index: number): Promise<SeenEntry[]> {
    const seen: SeenEntry[] = [];
    for (let round = index, cursor = ""; ; round += 1) {
      const replica = replicas[round % 2] ?? two.a;
      const protocol = protocols[(round >> 1) % protocols.length] ?? "grpc";
      const reader = watch(replica, { protocol, cursor, through });
      streams += 1;
      await Promise.race([reader.ended, last.promise]);
      const isWhole =
        reader.end === undefined &&
        (await reader.until(await last.promise).then(
          () => true,
          () => false,
        ));
      await reader.cut();
      seen.push(...reader.entries);
      cursor = reader.cursor;
      if (isWhole) return seen;
    }
  }
  const following = Promise.all(Array.from({ length: 20 }, (_, index) => follow(index)));
  const cuts = [...proxies.values()];
  let done = 0;
  const sequences = await each(Array.from({ length: revocations }), 4, async (_, index) => {
    const sequence = await revokeClient(index % 2 === 0 ? two.a : two.b, `client ${index}`);
    done += 1;
    if (done % 5 === 0) {
      const proxy = cuts[(done / 5) % cuts.length];
      proxy?.cut();
      proxy?.restore();
    }
    return sequence;
  });
  last.resolve(Math.max(...sequences));
  const all = await log(two);
  expect(all).toHaveLength(revocations);
  for (const seen of await following) expect(shown(seen)).toEqual(all);
  await annotate(`${streams} streams`);
  expect(streams).toBeGreaterThan(20);
  await Promise.all(replicas.map((replica) => untilWatchers(replica, 0)));
});

test("M01 M03: Redis is flushed, killed and restarted during a watch: every entry arrives, once", {
  timeout: 120_000,
}, async () => {
  await using redis = await startRedis();
  await using two = await startTwoServers({ POSTERN_REDIS_URL: redis.url });
  const readers = [watch(two.a), watch(two.b, { protocol: "connect" })];
  const revokeAtBoth = async (name: string) => {
    await revokeClient(two.a, `${name} a`);
    const sequence = await revokeClient(two.b, `${name} b`);
    await Promise.all(readers.map((reader) => reader.until(sequence)));
  };
  await revokeAtBoth("before");
  await redis.command("FLUSHALL");
  await revokeAtBoth("flushed");
  await redis.kill9();
  await revokeAtBoth("killed");
  await redis.restart();
  await revokeAtBoth("back");
  const all = await log(two);
  expect(all).toHaveLength(8);
  for (const { entries, end } of readers) expect([shown(entries), end]).toEqual([all, undefined]);
});

test("N11: a restored database: CURSOR_TOO_OLD for readers of lost entries, also within a stream; others continue", {
  timeout: 120_000,
}, async () => {
  await using two = await startTwoServers();
  const { a, b } = two;
  await revokeClient(a, "kept 1");
  const kept = await revokeClient(b, "kept 2");
  await using state = await keepState(two);
  await Promise.all([a, b].map(reconnected));
  const early = watch(a);
  await early.until(kept);
  await early.cut();
  const open = [a, b].map((replica) => watch(replica));
  const lost = await revokeClient(a, "lost");
  await Promise.all(open.map((reader) => reader.until(lost)));

  await state.putBack();
  expect(await Promise.all(open.map((reader) => reader.ended))).toEqual(["CURSOR_TOO_OLD", "CURSOR_TOO_OLD"]);
  const cursor = open[0]?.cursor ?? "";
  for (const replica of [a, b]) expect(await watch(replica, { cursor }).ended).toBe("CURSOR_TOO_OLD");
  // Also once the log has grown past it.
  const sequence = await revokeClient(b, "again");
  expect(sequence).toBe(lost);
  for (const replica of [a, b]) {
    expect(await watch(replica, { cursor, protocol: "connect" }).ended).toBe("CURSOR_TOO_OLD");
    const [resumed, begun] = [watch(replica, { cursor: early.cursor }), watch(replica)];
    await Promise.all([resumed, begun].map((reader) => reader.until(sequence)));
    expect(shown(resumed.entries)).toEqual([[sequence, "again"]]);
    expect(shown(begun.entries)).toEqual(await log(two));
  }
});

/** One server with its own database, reached at `through` if given. */
async function startOne(env: Readonly<Record<string, string>> = {}, through = (url: string) => url) {
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await createDatabase());
  const server = opened.use(await startServer({ databaseUrl: through(database.url), env }));
  const { auth: admin } = opened.use(
    createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.admin }),
  );
  const all = opened.move();
  return { server, admin, database, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

test.each(["5m"])(
  "N01 J04: while Postgres is lost there is no checkpoint, with POSTERN_INTROSPECT_STALENESS=%s; then streams go on",
  { timeout: 120_000 },
  async (staleness) => {
    await using proxy = await proxyTo(inject("postgresUrl"));
    await using one = await startOne({ POSTERN_INTROSPECT_STALENESS: staleness }, proxy.through);
    const failedReads = async () =>
      (await readMetrics(one.server.ops)).get('postern_head_reads_total{outcome="failed"}') ?? 0;
    const untilFailed = (count: number) =>
      poll("reads of the head fail", 60_000, async () => ((await failedReads()) >= count ? true : undefined));
    const reader = watch(one);
    await reader.until(await revokeClient(one, "before"));

    const failed = await failedReads();
    proxy.hold();
    await untilFailed(failed + 2);
    const before = reader.checkpoints.length;
    await untilFailed(failed + 5);
    const late = watch(one);
    expect(await late.ended).toBe("UNAVAILABLE");
    expect(late.messages).toEqual([]);
    expect([reader.checkpoints.length, reader.end]).toEqual([before, undefined]);

    proxy.restore();
    await reader.until(await revokeClient(one, "after"));
    expect(shown(reader.entries).map(([, target]) => target)).toEqual(["before", "after"]);
    expect(reader.end).toBeUndefined();
  },
);

test("O07: on SIGTERM streams go on for the drain delay, then they end without an error, and the server with 0", {
  timeout: 60_000,
}, async () => {
  await using one = await startOne({ POSTERN_DRAIN_DELAY: "5m", POSTERN_DRAIN_TIMEOUT: "5m" });
  const readers = protocols.map((protocol) => watch(one, { protocol }));
  await Promise.all(readers.map((reader) => reader.until(0)));
  const exit = one.server.stop();
  await poll("not ready", 20_000, async () =>
    (await fetch(`${one.server.ops}/readyz`)).status === 503 ? true : undefined,
  );
  const sequence = await revokeClient(one, "late");
  await Promise.all(readers.map((reader) => reader.until(sequence)));
  const late = watch(one);
  await late.until(sequence);
  void one.server.stop();
  expect(await Promise.all([...readers, late].map((reader) => reader.ended))).toEqual(Array(5).fill("OK"));
  expect(await exit).toBe(0);
});

test("L06: as many streams as a connection may have hear alike, and are gone with it", {
  timeout: 60_000,
}, async () => {
  await using one = await startOne();
  const session = http2.connect(one.server.grpc);
  const [{ maxConcurrentStreams = 0 }] = (await once(session, "remoteSettings")) as [http2.Settings];
  const heard = new Map<number, number>();
  for (let index = 0; index < maxConcurrentStreams; index += 1) {
    const stream = openGrpc(session, WATCH, { authorization }).on("error", () => {});
    stream.on("data", () => heard.set(index, (heard.get(index) ?? 0) + 1)).end(frame(new Uint8Array()));
  }
  const allHeard = (pieces: number) =>
    poll(`all have heard ${pieces}`, 30_000, async () =>
      [...heard.values()].filter((count) => count >= pieces).length === maxConcurrentStreams
        ? true
        : undefined,
    );
  await allHeard(1);
  await revokeClient(one, "one");
  await allHeard(2);
  await untilWatchers(one, maxConcurrentStreams);
  session.destroy();
  await untilWatchers(one, 0);
});

const isLinux = process.platform === "linux";
test.runIf(isLinux)(
  "L15: readers that never read delay no one and use no memory of the server; SIGTERM ends it with 0",
  { timeout: 180_000 },
  async ({ annotate }) => {
    await using one = await startOne({ POSTERN_DRAIN_TIMEOUT: "500ms" });
    const stuck: (() => void)[] = [];
    for (let index = 0; index < 100; index += 1) {
      const session = http2.connect(one.server.grpc).on("error", () => {});
      stuck.push(() => session.destroy());
      // Nobody listens for its data.
      const stream = openGrpc(session, WATCH, { authorization }).on("error", () => {});
      stream.end(frame(new Uint8Array()));
    }
    for (let index = 0; index < 5; index += 1) {
      const socket = connect(Number(new URL(one.server.http).port), "127.0.0.1");
      stuck.unshift(() => socket.destroy());
      socket.on("error", () => {}).pause();
      socket.write(byHttp);
    }
    await untilWatchers(one, 105);
    const readers = [watch(one), watch(one, { protocol: "connect" })];
    await Promise.all(readers.map((reader) => reader.until(0)));

    await writeFile(`/proc/${one.server.pid}/clear_refs`, "5");
    const before = await memory(one, "VmRSS");
    const total = 20_000;
    const bytes = total * 128 * 4;
    await withClient(one.database.url, async (client) => {
      for (let sum = 0; sum < total; sum += 500) {
        await client.query(
          `select postern.revoke_client($1 || number, 'test', 'test') from generate_series(1, 500) number`,
          ["🔑".repeat(124)],
        );
        await nextTurn();
      }
    });
    await Promise.all(readers.map((reader) => reader.until(total)));
    for (const { entries } of readers) {
      expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    }
    const growth = (await memory(one, "VmHWM")) - before;
    await annotate(`grown by at most ${mib(growth)}; each of 105 has not read most of ${mib(bytes)}`);
    // What is kept once for all, what is garbage, and a message for each; not what they have not taken.
    expect(growth).toBeLessThan((105 * bytes) / 3);
    // Half of them go, the others are there when the server ends.
    for (const hangUp of stuck.splice(0, 50)) hangUp();
    await untilWatchers(one, 57);
    expect(await one.server.stop()).toBe(0);
    expect(await Promise.all(readers.map((reader) => reader.ended))).toEqual(["OK", "OK"]);
    for (const hangUp of stuck) hangUp();
  },
);

async function memory({ server }: { server: ServerProcess }, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
