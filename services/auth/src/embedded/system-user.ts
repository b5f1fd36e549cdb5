import { execFile, type SpawnOptions } from "node:child_process";
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { EmbeddedError } from "./embedded-error.ts";

/** The user that Postgres runs as if this process is root, which Postgres refuses. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres's user on most machines, then the user that every machine has. */
const candidates = ["postgres", "nobody"];

const run = promisify(execFile);

/**
 * The user that Postgres must run as: the user of this process (`undefined`) unless that is root; else the owner of the
 * existing cluster; else the owner of the data folder, unless that is root; else the first system user.
 * @throws EmbeddedError if that is root, or a user that this process may not become
 */
export async function databaseUser(folder: string, cluster?: string): Promise<SystemUser | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const user = await chooseUser(folder, cluster);
  try {
    await canEnter(user, "/");
  } catch (error) {
    throw new EmbeddedError(
      `Postgres refuses to run as root, and we may not become uid ${user.uid} (${String(error)}); run as a normal user, or with the capabilities SETUID, SETGID and CHOWN`,
      { cause: error },
    );
  }
  return user;
}

async function chooseUser(folder: string, cluster?: string): Promise<SystemUser> {
  const { uid, gid } = await stat(cluster ?? folder);
  if (uid !== 0) return { uid, gid };
  if (cluster !== undefined) {
    throw new EmbeddedError(
      `${cluster} belongs to root, as whom Postgres refuses to run; chown -R it to the user it had`,
    );
  }
  const user = await firstUser(candidates);
  if (user !== undefined) return user;
  throw new EmbeddedError(
    `Postgres refuses to run as root, and there is no user ${candidates.join(" or ")}; run as a normal user`,
  );
}

/** The first of the names that exists on this machine. */
export async function firstUser(names: readonly string[]): Promise<SystemUser | undefined> {
  for (const name of names) {
    const id = async (flag: string) => Number((await run("id", [flag, name], runningAs(undefined))).stdout);
    try {
      return { uid: await id("-u"), gid: await id("-g") };
    } catch (error) {
      // A number: `id` itself ran, and knows no such user.
      if (!(error instanceof Error && "code" in error && typeof error.code === "number")) throw error;
    }
  }
  return undefined;
}

/** Options for a child process that inherits nothing: no variable, folder, user or group. */
export function runningAs(user: SystemUser | undefined): Pick<SpawnOptions, "cwd" | "uid" | "gid"> & {
  env: Record<string, string>;
} {
  const options = {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", LANG: "C", LC_ALL: "C", TZ: "UTC" },
  };
  // Node accepts only signed numbers here, and the ID of `nobody` on macOS is 2^32 - 2.
  return user === undefined ? options : { ...options, uid: user.uid | 0, gid: user.gid | 0 };
}

/** Whether the user can reach the folder, also through its parents and with their access lists. */
export async function canEnter(user: SystemUser, folder: string): Promise<boolean> {
  try {
    await run("/bin/sh", ["-c", 'cd "$1"', "sh", folder], runningAs(user));
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "number") return false;
    throw error;
  }
}

/** Changes the owner of a file or folder. Does not follow a link. */
export async function giveTo(path: string, user: SystemUser): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.chown(user.uid, user.gid);
  } finally {
    await handle.close();
  }
}

/** Lets a user pass the folder by its group, without letting the group list or change it. */
export async function letPass(user: SystemUser, folder: string): Promise<void> {
  if (await canEnter(user, folder)) return;
  const handle = await open(folder, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.chown((await handle.stat()).uid, user.gid);
    await handle.chmod(0o710);
  } finally {
    await handle.close();
  }
}
