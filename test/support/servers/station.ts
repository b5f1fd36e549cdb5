import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { ListenerBounds } from "../../../services/auth/src/listen/listener-bounds.ts";
import { childEnv } from "./child-env.ts";

/** A listener in a separate process, which may crash. */
export interface Station extends AsyncDisposable {
  readonly url: string;
  drain(): void;
  /** The exit code; null where a signal ended it. */
  readonly exit: Promise<number | null>;
}

export interface StationLimits {
  /** 100 by default. */
  readonly maxConnections?: number;
  /** Open calls on connections that are not trusted; 10,000 by default. */
  readonly slots?: number;
}

export async function startStation(
  kind: "http" | "grpc",
  bounds: Partial<ListenerBounds> = {},
  limits: StationLimits = {},
): Promise<Station> {
  const script = `${import.meta.dirname}/listener-station.ts`;
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    [script, kind, JSON.stringify(bounds), JSON.stringify(limits)],
    { env: childEnv(), stdio: ["pipe", "pipe", "inherit"] },
  );
  const exit = once(child, "exit").then(([code]) => code as number | null);
  child.stdin.on("error", () => {});
  const [url] = (await once(createInterface(child.stdout), "line")) as [string];
  return {
    url,
    drain: () => void child.stdin.write("drain\n"),
    exit,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}
