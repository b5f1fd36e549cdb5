import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const chunk = Buffer.alloc(4_096);

/** A file system of a few MiB that can be filled to the last byte. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Takes all the room that is left. */
  fill(): Promise<void>;
  /** Gives it back. */
  free(): Promise<void>;
}

/** Whether one can be mounted: Linux lets only root do that, and not in every container. */
export async function canMount(): Promise<boolean> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    await using _ = await mountSmallDisk(1);
    return true;
  } catch {
    return false;
  }
}

/** Mounts a file system in memory; it goes with the process that mounted it, even if that is killed. */
export async function mountSmallDisk(mebibytes: number): Promise<SmallDisk> {
  const path = await mkdtemp("/tmp/postern-test-disk-");
  // Waits for the end of the pipe on its stdin; `-l`: also while a process uses it.
  const script = 'cat >/dev/null; umount -l "$1"; rmdir "$1"';
  const guard = spawn("sh", ["-c", script, "sh", path], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const exit = once(guard, "exit");
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  async function unmount(): Promise<void> {
    guard.stdin.end();
    guard.ref();
    await exit;
  }
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path]);
  } catch (error) {
    await unmount();
    throw error;
  }
  const ballast = `${path}/ballast`;
  return {
    path,
    async fill() {
      await using file = await open(ballast, "a");
      try {
        for (;;) await file.write(chunk);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      }
    },
    free: () => rm(ballast),
    [Symbol.asyncDispose]: unmount,
  };
}
