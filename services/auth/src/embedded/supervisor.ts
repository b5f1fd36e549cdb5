import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { runningAs, type SystemUser } from "./system-user.ts";

/**
 * Runs a program while stdin, a pipe from this process, stays open. A line on it is the name of a signal for the program. Its
 * end, also by a SIGKILL of this process, means SIGINT. Exits with the program's exit code. The supervisor ignores signals: a
 * service manager that signals all processes must not leave the program without a supervisor. (A shell gives background jobs
 * /dev/null as stdin, hence descriptor 3, and lets them ignore SIGINT until they install a handler, hence the repetition.)
 */
export const supervisorScript = `
trap '' HUP INT TERM
exec 3<&0
"$@" 3<&- &
child=$!
{
  while read -r name; do kill -s "$name" "$child"; done
  while kill -s INT "$child"; do sleep 1; done
} <&3 2>/dev/null &
reader=$!
exec 3<&-
wait "$child"
code=$?
kill -s KILL "$reader"
wait "$reader" 2>/dev/null
exit "$code"
`;

/** A program that ends with this process, in every case. */
export interface Supervised {
  /** Its exit code; `undefined` if the supervisor itself was killed. */
  readonly ended: Promise<number | undefined>;
  /** Sends the program a signal. Does nothing after its end. */
  signal(name: "TERM" | "INT"): void;
}

/**
 * Starts a program under a supervisor, in a session of its own, so that neither Ctrl-C nor a SIGKILL of this process group
 * reaches it. It gets no environment variable of this process.
 * @param onLine gets its stderr, line by line
 * @throws the system's error if there is no shell, or this process may not run as that user
 */
export async function startSupervised(
  command: readonly string[],
  user: SystemUser | undefined,
  onLine: (line: string) => void,
): Promise<Supervised> {
  const child = spawn("/bin/sh", ["-c", supervisorScript, "postern-supervisor", ...command], {
    ...runningAs(user),
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  // The supervisor may end before it reads a signal.
  child.stdin.on("error", () => {});
  createInterface(child.stderr).on("line", onLine);
  // "close" follows the last line. "exit" can precede it.
  const ended = once(child, "close").then(([code]) => (code as number | null) ?? undefined);
  ended.catch(() => {});
  await once(child, "spawn");
  return { ended, signal: (name) => void child.stdin.write(`${name}\n`) };
}
