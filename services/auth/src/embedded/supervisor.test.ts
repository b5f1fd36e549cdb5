import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { startSupervised, supervisorScript } from "./supervisor.ts";

const waits = "setInterval(() => {}, 60_000)";

describe("a supervisored program", () => {
  test("ends with the pipe, even one that closed before the program came to handle signals", async () => {
    const guard = spawn("/bin/sh", ["-c", supervisorScript, "guard", process.execPath, "-e", waits], {
      detached: true,
      stdio: "ignore",
    });
    try {
      expect(await once(guard, "exit")).toEqual([128 + 2, null]);
    } finally {
      if (guard.exitCode === null && guard.pid !== undefined) process.kill(-guard.pid, "SIGKILL");
    }
  }, 600_000);

  test("gets its signals, and its lines and exit code are reported", async () => {
    const ready = Promise.withResolvers<string>();
    const program = `process.on("SIGTERM", () => process.exit(7)); console.error("ready"); ${waits}`;
    const guarded = await startSupervised([process.execPath, "-e", program], undefined, ready.resolve);
    expect(await ready.promise).toBe("ready");
    guarded.signal("TERM");
    expect(await guarded.ended).toBe(7);
    expect(() => guarded.signal("INT")).not.toThrow();
  });

  test("that cannot be run is reported by the shell", async () => {
    const lines: string[] = [];
    const guarded = await startSupervised(["/no/such/program"], undefined, (line) => lines.push(line));
    expect(await guarded.ended).toBe(127);
    expect(lines.join("\n")).toContain("/no/such/program");
  });
});
