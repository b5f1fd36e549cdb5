import { readdirSync, readFileSync, realpathSync } from "node:fs";

/** The pid of the postmaster that runs on a data folder, if one does. */
export function postmasterPid(dataDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(`${dataDir}/postmaster.pid`, "utf8").split("\n", 1)[0]);
    // One that was killed left its file behind, and its number may be another process's by now.
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(realpathSync(dataDir)) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Processes that `parent` started. Each backend leads its own session, so no signal to a group reaches them. */
export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => stat(pid)?.parent === parent);
}

/** Whether the process exists and is more than an unreaped exit code. */
export function isAlive(pid: number): boolean {
  const state = stat(pid)?.state;
  return state !== undefined && state !== "Z";
}

/** Signals a process that may be gone already. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** SIGKILL to a postmaster and its backends; returns all their pids. */
export function killTree(postmaster: number): number[] {
  // Suspended first, so that it starts no further backend, and does not ask the existing ones to end.
  signal(postmaster, "SIGSTOP");
  const all = [postmaster, ...childrenOf(postmaster)];
  for (const pid of all) signal(pid, "SIGKILL");
  return all;
}

function stat(pid: number): { state: string; parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before it is in parentheses and may hold anything.
    const [state = "", parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
