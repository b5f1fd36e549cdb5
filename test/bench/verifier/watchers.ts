import { setTimeout as delay } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchRevocationsRequestSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { frame } from "../../support/clients/wire.ts";
import { TOKENS } from "../../support/servers/server-process.ts";
import { cpuMs } from "../cpu.ts";
import type { Target } from "../wire-forms.ts";
import type { Memory, Site } from "./site.ts";
import { sharedMs, startWorker } from "./worker.ts";

export interface WatchersReport {
  readonly watchers: number;
  readonly server: { readonly before: Memory; readonly after: Memory };
  /** Microseconds of the server's processor for one entry to one watcher, checkpoints and Revoke included. */
  readonly serverUs: number;
  /** Milliseconds from the answer of Revoke until a watcher had the entry, of all watchers and revocations. */
  readonly tookMs: readonly number[];
  /** The same until every watcher had it. */
  readonly allTookMs: readonly number[];
}

const path = "/postern.auth.v1.AuthService/WatchRevocations";
const revocations = 200;
/** On a slow machine there are fewer of them. */
const giveUpMs = 60_000;
/** Longer than from one read of the head to the next, which the revocations must not keep step with. */
const pauseMs = 25;

export async function measureWatchers(site: Site, watchers: number): Promise<WatchersReport> {
  const sessions = await site.openSessions(revocations);
  const script = `${import.meta.dirname}/many-watchers.ts`;
  await using one = startWorker(script);
  await using other = startWorker(script);
  const halves = [
    { worker: one, count: Math.ceil(watchers / 2) },
    { worker: other, count: Math.floor(watchers / 2) },
  ];
  const before = await site.memory();
  const target: Target = { url: site.server.grpc, path, credential: TOKENS.admin };
  // From the log's end on: what was before is not what this is about.
  const cursor = await endOf(site);
  const message = toBinary(WatchRevocationsRequestSchema, create(WatchRevocationsRequestSchema, { cursor }));
  const request = frame(message).toString("base64");
  await Promise.all(halves.map(({ worker, count }) => worker.ask("join", { target, request, count })));
  const after = await site.memory();

  const tookMs: number[] = [];
  const allTookMs: number[] = [];
  const untilMs = performance.now() + giveUpMs;
  const startCpuMs = cpuMs(site.server.pid);
  for (const { id } of sessions) {
    if (performance.now() > untilMs) break;
    await Promise.all(halves.map(({ worker }) => worker.ask("expect", id)));
    await delay(Math.random() * pauseMs);
    await site.clients.auth.revoke({ target: { case: "sessionId", value: id } });
    const answeredMs = sharedMs();
    const arrivedMs = await Promise.all(halves.map(({ worker }) => worker.ask<number[]>("arrived")));
    const took = arrivedMs.flat().map((ms) => Math.max(0, ms - answeredMs));
    tookMs.push(...took);
    allTookMs.push(Math.max(...took));
  }
  const serverUs = ((cpuMs(site.server.pid) - startCpuMs) * 1_000) / tookMs.length;
  return { watchers, serverUs, server: { before, after }, tookMs, allTookMs };
}

async function endOf({ clients }: Site): Promise<string> {
  const leaving = new AbortController();
  try {
    for await (const { checkpoint, cursor } of clients.auth.watchRevocations(
      {},
      { signal: leaving.signal },
    )) {
      if (checkpoint !== undefined) return cursor;
    }
  } finally {
    leaving.abort();
  }
  throw new Error("the stream ended without a checkpoint");
}
