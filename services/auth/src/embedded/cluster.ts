import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, open, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sharedPlace } from "./binaries.ts";
import { EmbeddedError } from "./embedded-error.ts";
import { startSupervised } from "./supervisor.ts";
import { canEnter, giveTo, letPass, type SystemUser } from "./system-user.ts";
import { sweepTemporary, temporaryPath } from "./temporary.ts";

/** The database's only user: its superuser. */
export const databaseUserName = "postern";

/**
 * The real path of the data folder's cluster: `database` in it, which is a link if the cluster is in another
 * folder.
 * @returns `undefined` if there is none yet.
 * @throws EmbeddedError if there was one.
 */
export async function findCluster(folder: string): Promise<string | undefined> {
  const path = join(folder, "database");
  const found = await lstat(path).catch(ignore("ENOENT"));
  if (found === undefined) return undefined;
  const cluster = await realpath(path).catch(ignore("ENOENT"));
  if (cluster !== undefined) return cluster;
  throw new EmbeddedError(
    `${path} leads to a folder that is gone: restore that, or remove ${folder} to start over`,
  );
}

/** Makes sure that the user, if Postgres runs as another than we do, reaches an existing cluster. */
export async function openCluster(
  folder: string,
  cluster: string,
  user: SystemUser | undefined,
): Promise<void> {
  if (user === undefined) return;
  // Where else it may be is not ours to change.
  if (dirname(cluster) === folder) await letPass(user, folder);
  if (await canEnter(user, cluster)) return;
  throw new EmbeddedError(
    `${cluster} belongs to uid ${user.uid}, who cannot reach it; let others pass (chmod o+x) the folders above it, or move it`,
  );
}

/** Options of a new cluster. */
export interface NewCluster {
  readonly folder: string;
  readonly user: SystemUser | undefined;
  /** Folder of `initdb`. */
  readonly binaries: string;
  readonly password: string;
}

/**
 * Creates the cluster. It appears under its name only when it is complete. If several processes try, one succeeds.
 * @returns its real path, and whether this call created it
 * @throws EmbeddedError if `initdb` fails, with its output
 */
export async function createCluster(options: NewCluster): Promise<{ cluster: string; created: boolean }> {
  const { folder, user } = options;
  const outside = user !== undefined && !(await canEnter(user, dirname(folder)));
  const home = outside ? await makePlace(folder, options.password) : folder;
  if (user !== undefined) await letPass(user, home);
  await sweepTemporary(home);
  const target = join(home, "database");
  const created = await initialize(options, home, target);
  if (outside) await symlink(target, join(folder, "database")).catch(ignore("EEXIST"));
  return { cluster: await realpath(target), created };
}

/**
 * The place of a cluster whose data folder the user cannot reach. The password in its name makes it
 * another one after the data folder has been removed: what is left there could not be opened.
 */
async function makePlace(folder: string, password: string): Promise<string> {
  const hash = createHash("sha256").update(`${folder}\0${password}`).digest("hex").slice(0, 32);
  const place = join(sharedPlace, hash);
  await mkdir(sharedPlace, { recursive: true });
  await chmod(sharedPlace, 0o755);
  await mkdir(place, { mode: 0o700 }).catch(ignore("EEXIST"));
  return place;
}

async function initialize(options: NewCluster, home: string, target: string): Promise<boolean> {
  const { user, binaries, password } = options;
  const temporary = temporaryPath(home);
  await mkdir(temporary, { mode: 0o700 });
  try {
    const passwordFile = join(temporary, "password");
    await writeFile(passwordFile, password, { mode: 0o600, flag: "wx" });
    if (user !== undefined) {
      await giveTo(passwordFile, user);
      await giveTo(temporary, user);
    }
    const said: string[] = [];
    const initdb = await startSupervised(
      [
        join(binaries, "initdb"),
        ...["-D", join(temporary, "data"), `--username=${databaseUserName}`, `--pwfile=${passwordFile}`],
        ...["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"],
      ],
      user,
      (line) => void said.push(line),
    );
    if ((await initdb.ended) !== 0) throw new EmbeddedError(`initdb failed:\n${said.join("\n")}`);
    return await renameOnce(join(temporary, "data"), target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function renameOnce(source: string, target: string): Promise<boolean> {
  try {
    await rename(source, target);
  } catch (error) {
    // Another process was faster.
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOTEMPTY" || error.code === "EEXIST")
    ) {
      return false;
    }
    throw error;
  }
  const parent = await open(dirname(target));
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
  return true;
}

function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
    return undefined;
  };
}
