import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { startServer as startPostern } from "../support/servers/server-process.ts";
import type { ListeningProcess } from "./listening-process.ts";

/** A `postern serve`. */
export type Server = ListeningProcess<"http" | "grpc" | "ops">;

export interface ServerOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  /** 32 bytes in base64. */
  readonly masterKey: string;
  readonly logFile: string;
}

/**
 * Starts the server as its users do, its settings at their defaults but for free ports and no drain delay; resolves
 * once it is ready.
 */
export async function startServer({
  databaseUrl,
  redisUrl,
  masterKey,
  logFile,
}: ServerOptions): Promise<Server> {
  const log = openSync(logFile, "a", 0o600);
  try {
    const env = { POSTERN_REDIS_URL: redisUrl, POSTERN_MASTER_KEY: masterKey };
    const { http, grpc, ops, pid, stop } = await startPostern({ databaseUrl, env, stderr: log });
    const end = async () => void (await stop());
    return { pid, urls: { http, grpc, ops }, stop: end, [Symbol.asyncDispose]: end };
  } catch (error) {
    throw new Error(`the server's log: ${await readFile(logFile, "utf8")}`, { cause: error });
  } finally {
    closeSync(log);
  }
}
