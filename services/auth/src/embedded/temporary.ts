import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isProcessAlive } from "./process-alive.ts";

/** In a container every start can have the same process ID. This number differs for each start. */
const instance = randomBytes(6).toString("hex");
const pattern = /^\.new-(\d+)-([0-9a-f]{12})-/;

/** A path in `folder` for a file or folder that gets its final name when it is complete. */
export function temporaryPath(folder: string): string {
  return join(folder, `.new-${process.pid}-${instance}-${randomBytes(4).toString("hex")}`);
}

/** Removes incomplete files that processes have left in `folder`. */
export async function sweepTemporary(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid, owner] = pattern.exec(name) ?? [];
    if (pid === undefined || owner === instance) continue;
    if (Number(pid) !== process.pid && isProcessAlive(Number(pid))) continue;
    // An initdb that is being ended can still add files.
    await rm(join(folder, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
