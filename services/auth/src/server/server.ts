import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "pino";
import { ConfigError } from "../config/error.ts";
import { thisMachine } from "../crypto/argon2.ts";
import { workersFor } from "../crypto/argon2-workers.ts";
import { PosternError } from "../domain/errors.ts";
import { createFirstAdmin } from "../domain/user/create-first-admin.ts";
import { createOpsRoutes, type Readiness } from "../http/ops.ts";
import { type ListenerLimits, listenerLimits, readProcessLimits } from "../listen/listener-limits.ts";
import { type Listener, listenGrpc, listenHttp } from "../listen/listeners.ts";
import { createPublicCalls } from "../listen/public-calls.ts";
import { describeFault, lastingFault, mayPass } from "../store/postgres/connection-faults.ts";
import type { LockHolder } from "../store/postgres/lock-watch.ts";
import { checkSchema, migrate } from "../store/postgres/migrate.ts";
import { type PublicRights, readPublicRights } from "../store/postgres/public-rights.ts";
import { createEvents } from "../telemetry/events.ts";
import type { LogSink } from "../telemetry/log-sink.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { passwordDeps } from "./password-deps.ts";
import { openService, type Service } from "./service.ts";
import { type Context, openContext } from "./stores.ts";

export interface Server {
  readonly urls: { readonly http: string; readonly grpc: string; readonly ops: string };
  readonly context: Context;
  /** Whether this start made the first administrator. */
  readonly madeAdmin: boolean;
  /**
   * Turns readiness off and goes on serving for the drain delay, which `hurry` ends; then takes no more calls, answers
   * those that it has, for the drain timeout at most, and closes its stores.
   */
  stop(hurry: AbortSignal): Promise<void>;
}

/** The log, and where its lines go. */
export interface ServerLog {
  readonly log: Logger;
  readonly sink: Pick<LogSink, "dropped">;
}

const retryMs = 1_000;

/**
 * Starts listening, then waits for the database as long as it takes; until it is there `/livez` answers 200,
 * `/readyz` and every call 503.
 * @throws {MasterKeyError} {SchemaError}, {ConfigError}, and faults of the database, if waiting does not help
 */
export async function startServer(
  config: ReadyConfig,
  { log, sink }: ServerLog,
  stopping: AbortSignal,
): Promise<Server> {
  await using opened = new AsyncDisposableStack();
  warnOfLittleMemory(log);
  const limits = readLimits(log);
  const publicCalls = createPublicCalls(limits.publicCalls);
  const metrics = createMetrics({ droppedLines: () => sink.dropped });
  const events = createEvents(log, metrics);
  const draining = new AbortController();
  const closing = new AbortController();
  const state: { readiness: Readiness; service?: Service } = { readiness: "not ready" };
  const context = opened.use(openContext(config, { onFault: (error) => logStoreFault(log, error) }));

  // Made last, and wanted by calls until the listeners have ended.
  opened.defer(async () => state.service?.[Symbol.asyncDispose]());
  const ops = await listenHttp(config.ops, {
    maxConnections: limits.opsConnections,
    publicCalls: createPublicCalls(Number.POSITIVE_INFINITY),
  });
  opened.defer(() => end(ops, 0));
  const opsRoutes = createOpsRoutes({
    readiness: () => state.readiness,
    isPostgresUp: context.isPostgresUp,
    isRedisUp: () => state.service?.isRedisUp?.(),
    metrics,
  });
  ops.handle((request, response) => {
    opsRoutes(request as IncomingMessage, response as ServerResponse).catch((error: unknown) => {
      events.opsFailed(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

  const options = { maxConnections: limits.connections, publicCalls };
  const http = await listenHttp(config.http, options);
  opened.defer(() => end(http, config.drainTimeoutMs));
  const grpc = await listenGrpc(config.grpc, options);
  const listeners = [http, grpc];
  metrics.readListeners({ listeners: { http, grpc, ops }, publicCalls });
  opened.defer(async () => {
    await Promise.all(listeners.map((listener) => end(listener, config.drainTimeoutMs)));
  });

  const { handler, madeAdmin, rights } = await untilReady(stopping, log, async () => {
    const rights = await prepareDatabase(config, log, stopping);
    const issuer = config.issuer ?? http.url;
    state.service ??= await openService({
      ...{ config, context, issuer, events, metrics },
      ...{ draining: draining.signal, closing: closing.signal, publicCalls },
    });
    return { handler: state.service.handler, madeAdmin: await makeFirstAdmin(config, context), rights };
  });
  // No other role can connect to an embedded database.
  if (!config.embedded) warnOfPublicRights(log, rights);
  http.handle(handler);
  grpc.handle(handler);
  state.readiness = "ready";
  const running = opened.move();
  async function stop(hurry: AbortSignal): Promise<void> {
    state.readiness = "draining";
    draining.abort();
    for (const listener of listeners) listener.announce();
    await wait(config.drainDelayMs, undefined, { signal: hurry }).catch(() => {});
    closing.abort();
    await running.disposeAsync();
  }
  const urls = { http: http.url, grpc: grpc.url, ops: ops.url };
  return { urls, context, madeAdmin, stop };
}

/** No fault of the database ends a running server: it may be fixed without a change of the URL. */
function logStoreFault(log: Logger, error: unknown): void {
  const advice = lastingFault(error);
  const message = advice === undefined ? describeFault(error) : `POSTERN_DATABASE_URL: ${advice}`;
  log.warn({ event: "store_fault", error }, message);
}

function readLimits(log: Logger): ListenerLimits {
  const limits = listenerLimits({
    ...readProcessLimits(),
    hashThreads: workersFor(thisMachine()).count,
  });
  if (limits.isShortOfFiles) {
    log.warn(
      { event: "open_files_short", connections: limits.connections },
      "raise the limit of open files (ulimit -n): client connections can use all of them, see docs/capacity.md",
    );
  }
  return limits;
}

function warnOfLittleMemory(log: Logger): void {
  const machine = thisMachine();
  const { shortOfBytes } = workersFor(machine);
  if (shortOfBytes === undefined) return;
  const mib = (bytes: number) => Math.round(bytes / (1024 * 1024));
  log.warn(
    { event: "memory_short", limit_mib: mib(machine.memoryBytes), wanted_mib: mib(shortOfBytes) },
    "logins may end this process by taking all the memory that it may have: see docs/capacity.md",
  );
}

async function prepareDatabase(
  { databaseUrl, migrate: mayMigrate }: ReadyConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<PublicRights> {
  const options = { signal, onWait: (held_by: readonly LockHolder[]) => warnOfWait(log, held_by) };
  await (mayMigrate ? migrate : checkSchema)(databaseUrl, options);
  return readPublicRights(databaseUrl, signal);
}

function warnOfWait(log: Logger, held_by: readonly LockHolder[]): void {
  log.warn(
    { event: "waiting_for_lock", held_by },
    "the schema check or migration waits for locks that these connections hold",
  );
}

function warnOfPublicRights(log: Logger, { database, connect, create }: PublicRights): void {
  const missing = [
    ...(create ? ["revoke create on schema public from public"] : []),
    ...(connect
      ? [`revoke connect, temporary on database "${database.replaceAll('"', '""')}" from public`]
      : []),
  ];
  if (missing.length === 0) return;
  log.warn(
    { event: "database_open_to_all_roles", run: missing },
    "every role of the database server has rights on this database that it should not have: run the listed statements, see docs/postgres.md",
  );
}

/** Lets a listener finish its calls; what is left after `graceMs` is cut off. Harmless when done again. */
async function end(listener: Listener, graceMs: number): Promise<void> {
  // Again and again: the listener may take connections until it is closed.
  const cut = setInterval(() => listener.destroy(), graceMs);
  await listener.drain();
  clearInterval(cut);
}

/**
 * @returns whether an administrator was created, because there was none
 * @throws {ConfigError} if a user who is not an administrator has the address
 */
async function makeFirstAdmin(config: ReadyConfig, context: Context): Promise<boolean> {
  if (config.bootstrap === undefined) return false;
  const { email, password } = config.bootstrap;
  // A password from the environment was checked with the configuration. A generated one is good at any length.
  const passwordMinLength = Math.min(config.passwordMinLength, [...password].length);
  try {
    const made = await createFirstAdmin(
      { ...context, ...passwordDeps({ passwordMinLength }) },
      { email, password, requestId: context.newId(), signal: AbortSignal.timeout(30_000) },
    );
    return made === "created";
  } catch (error) {
    if (!(error instanceof PosternError) || error.reason !== "ALREADY_EXISTS") throw error;
    const message = `${error.message}; make this user an administrator with \`postern user set-roles\`, or set another address`;
    throw new ConfigError([{ setting: "POSTERN_BOOTSTRAP_EMAIL", message }]);
  }
}

/** Retries while the database is unreachable or accepts no writes. All other faults are permanent. */
async function untilReady<T>(stopping: AbortSignal, log: Logger, start: () => Promise<T>): Promise<T> {
  for (;;) {
    stopping.throwIfAborted();
    try {
      return await start();
    } catch (error) {
      if (!mayPass(error)) throw error;
      log.warn({ event: "waiting_for_database", error }, describeFault(error));
      await wait(retryMs, undefined, { signal: stopping });
    }
  }
}
