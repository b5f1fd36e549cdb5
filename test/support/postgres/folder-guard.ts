// Outlives the process that started it, to end the servers that were left behind and remove their data.
// argv: the folder made for them, in which all of them work. Its stdin is a pipe from that process, and
// closes with it.
import { existsSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { poll } from "../poll.ts";
import { signal } from "./postgres-processes.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: folder-guard.ts <folder>");
process.stdin.resume().once("end", () =>
  poll(`nothing works in ${folder}`, 20_000, async () => {
    const left = workingIn(folder);
    for (const pid of left) signal(pid, "SIGKILL");
    if (left.length > 0) return undefined;
    rmSync(folder, { recursive: true, force: true });
    // One that was just starting works in a deleted folder.
    return workingIn(folder).length > 0 ? undefined : true;
  }),
);

function workingIn(folder: string): number[] {
  // Where there is no /proc, servers run in containers.
  const pids = existsSync("/proc") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [];
  return pids.map(Number).filter((pid) => `${workingFolder(pid)}/`.startsWith(`${folder}/`));
}

function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // It is gone, or another user's.
    return undefined;
  }
}
