import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { EmbeddedError } from "./embedded-error.ts";
import { type Holder, holderName } from "./postmaster-file.ts";
import { type Supervised, startSupervised } from "./supervisor.ts";
import type { SystemUser } from "./system-user.ts";

/** What to start. */
export interface PostmasterOptions {
  readonly cluster: string;
  /** Folder of `postgres`. */
  readonly binaries: string;
  readonly user: SystemUser | undefined;
  readonly holder: Holder;
  readonly onLog: (line: string) => void;
}

/** A Postgres that this process started and that is ready. */
export interface Postmaster extends Supervised {
  readonly port: number;
}

const PORT_ATTEMPTS = 10;
const LOG_LINES_TOLD = 20;

/**
 * Starts Postgres on a free port of 127.0.0.1 and waits until it accepts connections.
 * @returns `undefined` if another Postgres holds the cluster.
 * @throws EmbeddedError if it does not start, with its last log lines
 */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster | undefined> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const log: string[] = [];
    const outcome = await startOn(port, options, log);
    if (typeof outcome === "object") return { ...outcome, port };
    const said = log.slice(-LOG_LINES_TOLD).join("\n");
    if (/lock file "postmaster.pid" (already exists|is empty)|pre-existing shared memory block/.test(said)) {
      return undefined;
    }
    // Another process has taken the port in the meantime.
    if (/could not create any TCP\/IP sockets/.test(said) && attempt < PORT_ATTEMPTS) continue;
    throw new EmbeddedError(`Postgres did not start on ${options.cluster}:\n${said}`);
  }
}

async function startOn(
  port: number,
  options: PostmasterOptions,
  log: string[],
): Promise<Supervised | "ended"> {
  const ready = Promise.withResolvers<"ready">();
  let isReady = false;
  const postgres = await startSupervised(
    [join(options.binaries, "postgres"), "-D", options.cluster, ...flags(port, options.holder)],
    options.user,
    (line) => {
      options.onLog(line);
      if (isReady) return;
      log.push(line);
      isReady = line.includes("database system is ready to accept connections");
      if (isReady) ready.resolve("ready");
    },
  );
  const first = await Promise.race([ready.promise, postgres.ended.then(() => "ended" as const)]);
  return first === "ended" ? first : postgres;
}

function flags(port: number, holder: Holder): string[] {
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    cluster_name: holderName(holder),
    timezone: "UTC",
    log_timezone: "UTC",
    log_destination: "stderr",
    logging_collector: "off",
    // A statement, or the row that a constraint refused, can contain secrets.
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a listening server has no port");
  return address.port;
}
