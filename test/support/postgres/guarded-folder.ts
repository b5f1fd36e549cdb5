import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";

/** A folder for servers under test. */
export interface GuardedFolder extends AsyncDisposable {
  /** Its real path. */
  readonly path: string;
  /** Kills the processes that use it, and removes it; any end of our process does the same. */
  sweep(): Promise<void>;
}

/** Makes an empty folder, `what` in its name. Servers must have it, or a folder in it, as their working one. */
export async function guardedFolder(what: string): Promise<GuardedFolder> {
  // Where we are root, TMPDIR may be a folder that the user a server runs as cannot pass.
  const parent = process.getuid?.() === 0 ? "/tmp" : tmpdir();
  const path = await realpath(await mkdtemp(`${parent}/postern-test-${what}-`));
  const guard = spawn(process.execPath, [`${import.meta.dirname}/folder-guard.ts`, path], {
    detached: true,
    stdio: ["pipe", "ignore", "inherit"],
  });
  const exit = once(guard, "exit");
  // Neither may keep a finished test run alive; the guard's pipe closes when we exit.
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  async function sweep(): Promise<void> {
    guard.stdin?.end();
    guard.ref();
    await exit;
  }
  return { path, sweep, [Symbol.asyncDispose]: sweep };
}
