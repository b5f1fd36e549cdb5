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

/** Where the embedded database lives and who hears of it. */
export interface EmbeddedOptions {
  /** The data folder; made if there is none. */
  readonly dataDir: string;
  /** Makes the secret token of a new installation. */
  readonly newSecretToken: () => string;
  /** Takes Postgres's log, line by line. It holds no statement and no row. */
  readonly onLog?: (line: string) => void;
}

/** A Postgres that is ready for use; dispose of it after closing the connections to it. */
export interface Embedded extends AsyncDisposable {
  /** `postgres://…` of the superuser, password included. */
  readonly databaseUrl: string;
  readonly secrets: Secrets;
  /** Whether this call made the database: the first start on this folder. */
  readonly created: boolean;
  /** Resolves, with the exit code if there is one, when Postgres ends though we have not disposed of it. */
  readonly ended: Promise<number | undefined>;
}

/** For a Postgres that is starting, recovering after a crash, or ending. */
const WAIT_MS = 60_000;
const WAIT_STEP_MS = 50;
/** How long a command leaves the Postgres it started to other commands that have come to use it. */
const OTHERS_MS = 10_000;

/**
 * Starts the embedded Postgres for a server. It ends with this process, however that ends.
 * @throws EmbeddedError if a server runs on the folder already, or a person must mend something.
 */
export function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  return open(options, "server");
}

/**
 * The embedded Postgres for a command: the one that runs on the folder, or one started for as long as
 * the command needs it.
 * @throws EmbeddedError if a person must mend something.
 */
export function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  return open(options, "command");
}

function open(options: EmbeddedOptions, holder: Holder): Promise<Embedded> {
  // What is told names the folder wherever it is read.
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
  // In this order: secrets are made before the cluster is, so a cluster without them has lost them.
  const existing = await findCluster(folder);
  const found = await readSecrets(folder);
  if (existing !== undefined && found === undefined) {
    throw new EmbeddedError(
      `${folder} has a database but no secrets.json: restore that from a backup, or remove the folder to start anew`,
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
      // Postgres's smart shutdown: takes no new connections and ends after the last one.
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
