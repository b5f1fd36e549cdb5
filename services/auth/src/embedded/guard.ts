import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { runningAs, type SystemUser } from "./system-user.ts";

/**
 * Runs a program for as long as stdin, a pipe from us, stays open. A line on it is the name of a signal
 * for the program; its end, which also comes when we are killed, means SIGINT. Exits as the program does.
 * Signals for the guard itself are ignored: a service manager that signals all at once must not leave
 * the program alone. (A shell gives background jobs /dev/null as stdin, hence descriptor 3, and has them
 * ignore SIGINT: it is lost on a program that has not come to handle it, hence again and again.)
 */
export const guardScript = `
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

/** A program that ends when we do, however we end. */
export interface Guarded {
  /** Its exit code; `undefined` if the guard itself was killed. */
  readonly ended: Promise<number | undefined>;
  /** Sends it a signal; nothing if it has ended. */
  signal(name: "TERM" | "INT"): void;
}

/**
 * Starts a program under a guard, in a session of its own, so that neither Ctrl-C nor a SIGKILL to our
 * whole process group reaches it. It gets nothing of our environment.
 * @param onLine takes its stderr, line by line.
 * @throws what the system says if there is no shell, or we may not become that user.
 */
export async function startGuarded(
  command: readonly string[],
  user: SystemUser | undefined,
  onLine: (line: string) => void,
): Promise<Guarded> {
  const child = spawn("/bin/sh", ["-c", guardScript, "postern-guard", ...command], {
    ...runningAs(user),
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  // A signal that crosses with the end of the guard has nobody to reach.
  child.stdin.on("error", () => {});
  createInterface(child.stderr).on("line", onLine);
  // "close" comes after the last line, "exit" may come before it.
  const ended = once(child, "close").then(([code]) => (code as number | null) ?? undefined);
  ended.catch(() => {});
  await once(child, "spawn");
  return { ended, signal: (name) => void child.stdin.write(`${name}\n`) };
}
