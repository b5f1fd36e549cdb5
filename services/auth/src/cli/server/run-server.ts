import { randomBytes } from "node:crypto";
import { ConfigError } from "../../config/error.ts";
import { MasterKeyError } from "../../domain/ports/key-material.ts";
import { newSecretToken } from "../../domain/token/secret-token.ts";
import { type Embedded, startEmbedded } from "../../embedded/embedded.ts";
import { type ReadyConfig, withEmbedded } from "../../server/embedded-config.ts";
import { SchemaError } from "../../server/schema.ts";
import { type ServerLog, startServer } from "../../server/server.ts";
import { createLogger } from "../../telemetry/log.ts";
import { openStderrSink } from "../../telemetry/log-sink.ts";
import { type Args, CommandError, flag } from "../command.ts";
import type { Io } from "../io.ts";
import { quickStartLines } from "./quick-start.ts";
import { readConfig } from "./read-config.ts";
import { lastingConfigError, reportEmbeddedErrors, requireDatabase } from "./with-stores.ts";

/** Runs the server until a signal stops it, or its embedded database ends. */
export async function runServer(args: Args, io: Io): Promise<void> {
  const { config } = readConfig(io, { embedded: flag(args, "embedded") });
  const signals = stopSignals(flag(args, "follow-parent"));
  const sink = openStderrSink();
  const log = createLogger(config.logLevel, sink);
  const outside = { io, signals, log: { log, sink } };
  if (!config.embedded) {
    await run(requireDatabase(config), outside, undefined);
    return;
  }
  await reportEmbeddedErrors(async () => {
    await using embedded = await startEmbedded({
      dataDir: config.dataDir,
      newSecretToken: () => newSecretToken(randomBytes),
      onLog: (line) => log.debug({ event: "postgres", line }),
    });
    await run(withEmbedded(config, embedded), outside, embedded);
  });
}

/** What the server gets from its process. */
interface Outside {
  readonly io: Io;
  readonly signals: StopSignals;
  readonly log: ServerLog;
}

async function run(config: ReadyConfig, outside: Outside, embedded: Embedded | undefined) {
  const { io, signals } = outside;
  const { log } = outside.log;
  const server = await start(config, outside.log, signals.stopping);
  if (server === undefined) return;
  for (const [name, url] of Object.entries(server.urls)) io.stdout.write(`${name} ${url}\n`);
  if (embedded !== undefined) {
    for (const line of await quickStartLines(server, embedded, config.bootstrap))
      io.stdout.write(`${line}\n`);
  }
  log.info({ event: "ready", ...server.urls });
  const died = embedded?.ended.then(() => "postgres" as const);
  const why = await Promise.race([aborted(signals.stopping), ...(died === undefined ? [] : [died])]);
  log.info({ event: "draining" });
  // Without Postgres every call fails, so there is nothing to wait for.
  await server.stop(why === "postgres" ? AbortSignal.abort() : signals.forceStop);
  log.info({ event: "stopped" });
  if (why === "postgres")
    throw new CommandError("the embedded Postgres ended unexpectedly; start Postern again");
}

/** @returns undefined if a signal stopped it before the database was ready */
async function start(config: ReadyConfig, log: ServerLog, signal: AbortSignal) {
  try {
    return await startServer(config, log, signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    if (error instanceof MasterKeyError) throw new ConfigError([fault("POSTERN_MASTER_KEY", error)]);
    if (error instanceof SchemaError) throw new ConfigError([fault("POSTERN_MIGRATE", error)]);
    const lasting = lastingConfigError(error, config.embedded);
    if (lasting !== undefined) throw lasting;
    if (isOfListeners(error)) throw new CommandError(cannotListen(error));
    throw error;
  }
}

type ListenError = Error & {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
};

/** A failed name lookup concerns a listener's host: if the database's host name is unknown, the start waits. */
function isOfListeners(error: unknown): error is ListenError {
  return error instanceof Error && "syscall" in error && /^(listen|getaddrinfo)$/.test(String(error.syscall));
}

function cannotListen(error: ListenError): string {
  const where = error.hostname ?? `${error.address}:${error.port}`;
  const why = error.code === "EADDRINUSE" ? "another process already listens there" : error.message;
  return `cannot listen on ${where}: ${why}; see POSTERN_HTTP_ADDR, POSTERN_GRPC_ADDR and POSTERN_OPS_ADDR`;
}

function fault(setting: string, error: Error) {
  return { setting, message: error.message };
}

/** A third signal ends the process immediately. */
interface StopSignals {
  /** Aborted by the first SIGTERM or SIGINT, and with `--follow-parent` by the end of the parent process. */
  readonly stopping: AbortSignal;
  /** Aborted by the second signal. */
  readonly forceStop: AbortSignal;
}

function stopSignals(followParent: boolean): StopSignals {
  const [stopping, forceStop] = [new AbortController(), new AbortController()];
  const names = ["SIGTERM", "SIGINT"] as const;
  function onSignal(): void {
    if (!stopping.signal.aborted) {
      stopping.abort();
      return;
    }
    forceStop.abort();
    for (const name of names) process.off(name, onSignal);
  }
  for (const name of names) process.on(name, onSignal);
  if (followParent) {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) stopping.abort();
    }, 500).unref();
  }
  return { stopping: stopping.signal, forceStop: forceStop.signal };
}

async function aborted(signal: AbortSignal): Promise<"signal"> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return "signal";
}
