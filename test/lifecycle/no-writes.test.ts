import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { answered } from "../support/clients/answers.ts";
import { createClients } from "../support/clients/clients.ts";
import { each } from "../support/each.ts";
import { openHttpConnection } from "../support/load/http-connection.ts";
import { reasonIn } from "../support/load/lean-client.ts";
import { createUser, login } from "../support/people/people.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { scaled } from "../support/run/scale.ts";
import { readMetrics } from "../support/servers/metrics.ts";
import { filesOpenForWriting } from "../support/servers/open-files.ts";
import {
  type ServerOptions,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const isLinux = process.platform === "linux";
const patience = { timeout: 20_000 };
/** Refusals at a time, each a line of the log. */
const batch = 500;
/** Lines of many times what a pipe holds. */
const batchesRead = scaled(12, { atLeast: 3 });
/** The user `nobody`, if the test may choose it and it can read the server's files. */
const nobody = { uid: 65_534, gid: 65_534 };
const binary = `${import.meta.dirname}/../../services/auth/bin/postern.js`;
const canBeNobody =
  process.getuid?.() === 0 && spawnSync(process.execPath, ["--check", binary], nobody).status === 0;
const env = { POSTERN_MASTER_KEY: randomBytes(32).toString("base64") };

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database?.drop());

async function start(options: Omit<ServerOptions, "databaseUrl"> = {}): Promise<ServerProcess> {
  const server = await startServer({ databaseUrl: database.url, env, ...options });
  onTestFinished(async () => void (await server.kill9()));
  return server;
}

/** A login, a refresh, a revocation, and the introspection of the tokens before and after; throws if one fails. */
async function useSession({ grpc }: ServerProcess): Promise<void> {
  const of = (credential: string) => createClients({ baseUrl: grpc, protocol: "grpc", credential });
  using admin = of(TOKENS.admin);
  using web = of(TOKENS.web);
  const { email } = await createUser(admin.admin);
  const session = await login(web.auth, email);
  const { tokens } = await answered(() => web.auth.refresh({ refreshToken: session.refreshToken }));
  const token = tokens?.accessToken ?? "";
  const isActive = async () => (await answered(() => web.auth.introspect({ token }))).active;
  expect(await isActive()).toBe(true);
  const target = { case: "sessionId", value: session.sessionId } as const;
  await answered(() => web.auth.revoke({ target }));
  expect(await isActive()).toBe(false);
}

/** Makes calls with an unknown credential, each of which is a line of the log. The id of the request makes it a long one. */
async function refuseBatch({ http }: ServerProcess): Promise<void> {
  const { host, hostname, port } = new URL(http);
  const head = [
    "POST /postern.auth.v1.AuthService/Introspect HTTP/1.1",
    `host: ${host}`,
    "content-type: application/json",
    "authorization: Bearer nobodys-credential",
    `x-request-id: ${"x".repeat(128)}`,
    "content-length: 2",
  ];
  await each(Array(10).fill(undefined), 10, async () => {
    const connection = openHttpConnection({ host: hostname, port: Number(port) });
    for (let call = 0; call < batch / 10; call += 1) {
      const answer = await connection.exchange(`${head.join("\r\n")}\r\n\r\n{}`);
      expect([answer.status, reasonIn(answer)]).toEqual([401, "INVALID_CLIENT"]);
    }
    connection.destroy();
  });
}

/** Writes lines until the log and the server's own buffer are full. */
async function overfillLog(server: ServerProcess): Promise<void> {
  // The server keeps some thousands of lines.
  for (let batches = 0; batches < 40; batches += 1) {
    await refuseBatch(server);
    if ((await droppedLines(server)) > 0) return;
  }
  throw new Error("no line was dropped");
}

async function droppedLines({ ops }: ServerProcess): Promise<number> {
  return (await readMetrics(ops)).get("postern_log_lines_dropped_total") ?? Number.NaN;
}

describe.runIf(isLinux)("O10: a server that may write nowhere", () => {
  test("writes no file, as another user, in /, with no byte of any file allowed", async () => {
    const server = await start({
      as: { ...(canBeNobody ? nobody : {}), cwd: "/" },
      env: { ...env, NODE_COMPILE_CACHE: undefined },
      // More than that would end it, by SIGXFSZ.
      under: ["sh", "-c", 'ulimit -f 0 && exec "$@"', "sh"],
    });
    expect(readFileSync(`/proc/${server.pid}/limits`, "utf8")).toMatch(/^Max file size +0 +0 /m);
    const calls = { areOver: false };
    const work = each(Array(5).fill(undefined), 2, () => useSession(server)).finally(() => {
      calls.areOver = true;
    });
    while (!calls.areOver) {
      expect(filesOpenForWriting(server.pid)).toEqual([]);
      await new Promise(setImmediate);
    }
    await work;
    expect(await server.stop()).toBe(0);
  });

  test("so a process that writes is found", async () => {
    const folder = await mkdtemp(`${tmpdir()}/postern-`);
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(`${folder}/file`, "");
    const fd = openSync(`${folder}/file`, "a");
    onTestFinished(() => closeSync(fd));
    expect(filesOpenForWriting(process.pid)).toContain(`${folder}/file`);
  });
});

describe("O10: its log", () => {
  test.runIf(isLinux)(
    "on a full disk: calls continue, and dropped lines are counted",
    async () => {
      const fd = openSync("/dev/full", "w");
      onTestFinished(() => closeSync(fd));
      const server = await start({ stderr: fd });
      await overfillLog(server);
      await useSession(server);
      expect(await server.stop()).toBe(0);
    },
    600_000,
  );

  test.each(["unread", "closed"] as const)(
    "in a pipe that is %s: calls continue, and dropped lines are counted",
    async (stderr) => {
      const server = await start({ stderr });
      await overfillLog(server);
      await useSession(server);
      expect(await server.stop()).toBe(0);
    },
    600_000,
  );

  test("in a pipe that is read: every line is written, in order", async () => {
    const server = await start();
    for (let batches = 0; batches < batchesRead; batches += 1) await refuseBatch(server);
    await useSession(server);
    expect(await droppedLines(server)).toBe(0);
    expect(await server.stop()).toBe(0);
    await expect.poll(() => server.logs.at(-1), patience).toMatchObject({ event: "stopped" });
    expect(server.logs.filter(({ reason }) => reason === "INVALID_CLIENT")).toHaveLength(batchesRead * batch);
    const times = server.logs.map(({ time }) => String(time));
    expect(times).toEqual([...times].sort());
  }, 600_000);
});
