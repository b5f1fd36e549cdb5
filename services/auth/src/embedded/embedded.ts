import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findInstallation, usableBinaries } from "./binaries.ts";
import { createCluster, databaseUserName, findCluster, openCluster } from "./cluster.ts";
import { openDataFolder } from "./data-folder.ts";
import { EmbeddedError, tellSystemErrors } from "./embedded-error.ts";
import { type Postmaster, type PostmasterOptions, startPostmaster } from "./postmaster.ts";
import { findRunning, type Holder } from "./postmaster-file.ts";
import { makeSecrets, readSecrets, type Secrets } from "./secrets.ts";
import { databaseUser } from "./system-user.ts";
import { sweepTemporary } from "./temporary.ts";

export { EmbeddedError } from "./embedded-error.ts";
export type { Secrets } from "./secrets.ts";

/** Options of the embedded database. */
export interface EmbeddedOptions {
  /** The data folder. Created if there is none. */
  readonly dataDir: string;
  /** Makes the secret token of a new installation. */
  readonly newSecretToken: () => string;
  /** Gets Postgres's log, line by line. It contains no statement and no row. */
  readonly onLog?: (line: string) => void;
}

/** A Postgres that is ready. Dispose of it after closing the connections to it. */
export interface Embedded extends AsyncDisposable {
  /** `postgres://…` of the superuser, with the password. */
  readonly databaseUrl: string;
  readonly secrets: Secrets;
  /** Whether this call created the database: the first start on this folder. */
  readonly created: boolean;
  /** Resolves, with the exit code if there is one, when Postgres ends before it is disposed of. */
  readonly ended: Promise<number | undefined>;
}

/** Maximum time that Postgres takes to start, to recover after a crash, or to end. */
const WAIT_MS = 60_000;
const WAIT_STEP_MS = 50;
/** How long a command leaves the Postgres that it started running for other commands that use it. */
const OTHERS_MS = 10_000;

/**
 * Starts the embedded Postgres for a server. It ends with this process, in every case.
 * @throws EmbeddedError if a server runs on the folder already, or an operator must fix something
 */
export function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  return open(options, "server");
}

/**
 * Opens the embedded Postgres for a command: the Postgres that runs on the folder, or a new one for the time of the command.
 * @throws EmbeddedError if an operator must fix something
 */
export function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  return open(options, "command");
}

function open(options: EmbeddedOptions, holder: Holder): Promise<Embedded> {
  // Messages have the absolute path of the folder.
  const dataDir = resolve(options.dataDir);
  return tellSystemErrors(dataDir, () => openResolved({ ...options, dataDir }, holder));
}

async function openResolved(options: EmbeddedOptions, holder: Holder): Promise<Embedded> {
  const { secrets, created, ...prepared } = await prepare(options);
  const postmaster = { ...prepared, holder, onLog: options.onLog ?? (() => {}) };
  const url = (port: number) =>
    `postgres://${databaseUserName}:${secrets.databasePassword}@127.0.0.1:${port}/postgres`;
  const deadline = performance.now() + WAIT_MS;
  while (performance.now() < deadline) {
    const running = await findRunning(postmaster.cluster);
    if (running === undefined) {
      const started = await startPostmaster(postmaster);
      if (started !== undefined) {
        return { databaseUrl: url(started.port), secrets, created, ...lifetime(started, holder) };
      }
    } else if (holder === "command" && running.status === "ready" && running.holder !== undefined) {
      const ended = new Promise<never>(() => {});
      return {
        databaseUrl: url(running.port),
        secrets,
        created,
        ended,
        [Symbol.asyncDispose]: async () => {},
      };
    } else if (holder === "server" && running.status !== "stopping" && running.holder === "server") {
      throw new EmbeddedError(
        `another server runs on ${options.dataDir}; end it, or set POSTERN_DATA_DIR to another folder`,
      );
    }
    await delay(WAIT_STEP_MS);
  }
  throw new EmbeddedError(
    `a Postgres has been starting or ending on ${postmaster.cluster} for ${WAIT_MS / 1_000} s; see whether its process hangs`,
  );
}

type Prepared = Pick<PostmasterOptions, "cluster" | "binaries" | "user"> &
  Pick<Embedded, "secrets" | "created">;

async function prepare({ dataDir, newSecretToken }: EmbeddedOptions): Promise<Prepared> {
  const folder = await openDataFolder(dataDir);
  await sweepTemporary(folder);
  // Secrets are created before the cluster, so a cluster without them has lost them.
  const existing = await findCluster(folder);
  const found = await readSecrets(folder);
  if (existing !== undefined && found === undefined) {
    throw new EmbeddedError(
      `${folder} has a database but no secrets.json: restore that from a backup, or remove the folder to start over`,
    );
  }
  const binaries = await findInstallation();
  const user = await databaseUser(folder, existing);
  const secrets = found ?? (await makeSecrets(folder, newSecretToken));
  const usable = { binaries: await usableBinaries(user, binaries), user };
  if (existing === undefined) {
    const made = await createCluster({ ...usable, folder, password: secrets.databasePassword });
    return { ...usable, ...made, secrets };
  }
  await openCluster(folder, existing, user);
  return { ...usable, cluster: existing, secrets, created: false };
}

function lifetime(
  postmaster: Postmaster,
  holder: Holder,
): Pick<Embedded, "ended" | typeof Symbol.asyncDispose> {
  let disposed = false;
  const ended = new Promise<number | undefined>((tell) => {
    postmaster.ended.then((code) => {
      if (!disposed) tell(code);
    });
  });
  async function dispose(): Promise<void> {
    disposed = true;
    if (holder === "command") {
      // Postgres's smart shutdown: it accepts no new connections and ends after the last one.
      postmaster.signal("TERM");
      const timer = new AbortController();
      const late = delay(OTHERS_MS, undefined, { signal: timer.signal }).catch(() => {});
      await Promise.race([postmaster.ended, late]);
      timer.abort();
    }
    postmaster.signal("INT");
    await postmaster.ended;
  }
  return { ended, [Symbol.asyncDispose]: dispose };
}
