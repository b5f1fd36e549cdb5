import { generateKeyPairSync, sign, verify } from "node:crypto";
import { hashSync, verifySync } from "@node-rs/argon2";
import { Client } from "pg";
import { params } from "../../services/auth/src/crypto/argon2-params.ts";
import type { PostgresServer } from "../support/postgres/postgres-server.ts";
import { clusterCpuMs } from "./cpu.ts";

/** Work that a server of this kind has to do, without the server. */
export const bareNames = ["sign", "verify", "argon2", "commit", "group commit"] as const;
export type BareName = (typeof bareNames)[number];

/** What bare work took. */
export interface BareRound {
  readonly calls: number;
  readonly seconds: number;
  /** Milliseconds of processor time for 1,000 calls, of the process that does it or asks for it. */
  readonly cpuMs: number;
  /** The same of Postgres. */
  readonly postgresMs: number;
}

export type BareWork = (seconds: number) => Promise<BareRound>;

/** Rows of a group commit: half the calls in flight, as there are two statements at once. */
export const groupSize = 16;
const rows = 10_000;
/** About as long as what is signed in an access token. */
const signed = Buffer.alloc(512, "a");

/** Makes ready, and runs in this process: it has to have nothing else to do. */
export async function openBare(
  postgres: PostgresServer,
): Promise<Readonly<Record<BareName, BareWork>> & AsyncDisposable> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
  const verifier = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
  const signature = sign("sha256", signed, signer);
  const hash = hashSync("a password", params);
  const clients = Array.from({ length: 4 }, () => new Client({ connectionString: postgres.url }));
  for (const client of clients) await client.connect();
  const [first] = clients;
  await first?.query("create table bench_rows (id integer primary key, n integer not null default 0)");
  await first?.query("insert into bench_rows select generate_series(0, $1)", [rows - 1]);
  const pid = postgres.pid ?? 0;
  let next = 0;

  async function commit(client: Client, size: number): Promise<number> {
    const ids = Array.from({ length: size }, () => next++ % rows);
    const text = "update bench_rows set n = n + 1 where id = any ($1::integer[])";
    await client.query({ name: "commit", text, values: [ids] });
    return size;
  }
  return {
    sign: (seconds) => repeat(seconds, pid, [once(() => sign("sha256", signed, signer))]),
    verify: (seconds) => repeat(seconds, pid, [once(() => verify("sha256", signed, verifier, signature))]),
    argon2: (seconds) => repeat(seconds, pid, [once(() => verifySync(hash, "a password"))]),
    commit: (seconds) =>
      repeat(
        seconds,
        pid,
        clients.map((client) => () => commit(client, 1)),
      ),
    "group commit": (seconds) =>
      repeat(
        seconds,
        pid,
        clients.slice(0, 2).map((client) => () => commit(client, groupSize)),
      ),
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.end();
    },
  };
}

function once(work: () => unknown): () => Promise<number> {
  return async () => {
    work();
    return 1;
  };
}

/** Repeats all works concurrently for the given time, after a tenth of it to warm up. Each work returns its count. */
async function repeat(
  seconds: number,
  postmaster: number,
  works: readonly (() => Promise<number>)[],
): Promise<BareRound> {
  async function run(ms: number): Promise<number> {
    const until = performance.now() + ms;
    let calls = 0;
    const lanes = works.map(async (work) => {
      do calls += await work();
      while (performance.now() < until);
    });
    await Promise.all(lanes);
    return calls;
  }
  await run(seconds * 100);
  const [startMs, cpu, postgres] = [performance.now(), process.cpuUsage(), clusterCpuMs(postmaster)];
  const calls = await run(seconds * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  return {
    calls,
    seconds: (performance.now() - startMs) / 1_000,
    cpuMs: (user + system) / calls,
    postgresMs: ((clusterCpuMs(postmaster) - postgres) * 1_000) / calls,
  };
}
