import { fileURLToPath } from "node:url";
import { poll } from "../support/poll.ts";
import { AUDIENCE, ISSUER } from "../support/server-process.ts";
import { type ListeningProcess, startListening } from "./listening-process.ts";

const binary = fileURLToPath(import.meta.resolve("../../services/auth/bin/postern.js"));

/** A `postern serve`. */
export type Server = ListeningProcess<"http" | "grpc" | "ops">;

export interface ServerOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  /** 32 bytes in base64. */
  readonly masterKey: string;
  /** What the caller `web` shows. */
  readonly credential: string;
  readonly logFile: string;
}

/** Starts the server as its users do, with every setting at its default that has one; resolves once it is ready. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { databaseUrl, redisUrl, masterKey, credential, logFile } = options;
  const web = {
    ...{ name: "web", token: credential, trusted_address: true },
    ...{ permissions: ["login", "introspect", "revoke", "sessions"], scopes: ["read", "write"] },
  };
  const server = await startListening({
    args: [binary, "serve"],
    env: {
      POSTERN_DATABASE_URL: databaseUrl,
      ...(redisUrl === undefined ? {} : { POSTERN_REDIS_URL: redisUrl }),
      POSTERN_HTTP_ADDR: "127.0.0.1:0",
      POSTERN_GRPC_ADDR: "127.0.0.1:0",
      POSTERN_OPS_ADDR: "127.0.0.1:0",
      POSTERN_ISSUER: ISSUER,
      POSTERN_AUDIENCE: AUDIENCE,
      POSTERN_MASTER_KEY: masterKey,
      POSTERN_SECRET_TOKENS: JSON.stringify([web]),
      POSTERN_DRAIN_DELAY: "0s",
    },
    logFile,
    names: ["http", "grpc", "ops"],
  });
  await poll("the server is ready", 20_000, async () =>
    (await fetch(`${server.urls.ops}/readyz`)).status === 200 ? true : undefined,
  );
  return server;
}
