import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { tally } from "../support/clients/answers.ts";
import { createClients } from "../support/clients/clients.ts";
import { each } from "../support/each.ts";
import { createLeanClient } from "../support/load/lean-client.ts";
import { createUser, login } from "../support/people/people.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { scaled } from "../support/run/scale.ts";
import { limitMemory } from "../support/servers/memory-limit.ts";
import {
  type ServerOptions,
  type ServerProcess,
  startServer,
  TOKENS,
} from "../support/servers/server-process.ts";

const MIB = 1024 * 1024;
const patience = { timeout: 20_000 };
const isLinux = process.platform === "linux";
/** Whether a core is a file in the folder of the process that it is of. */
const leavesCores = isLinux && readFileSync("/proc/sys/kernel/core_pattern", "utf8").startsWith("core");
/** Runs what follows with cores of any size. */
const withCores = ["sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh"] as const;

async function start(options: Omit<ServerOptions, "databaseUrl"> = {}): Promise<ServerProcess> {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  const server = await startServer({ databaseUrl: database.url, ...options });
  onTestFinished(() => server.kill9());
  return server;
}

async function logIn({ grpc }: ServerProcess): Promise<void> {
  using admin = createClients({ baseUrl: grpc, protocol: "grpc", credential: TOKENS.admin });
  const { email } = await createUser(admin.admin);
  await login(admin.auth, email);
}

async function folderForCore(): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/postern-core-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function readCore(folder: string): Promise<Buffer> {
  const [name, ...others] = await readdir(folder);
  expect({ name, others }).toEqual({ name: expect.stringMatching(/^core/), others: [] });
  return readFile(`${folder}/${name}`);
}

describe("K06: keys in memory", () => {
  const secret = randomBytes(32);
  const masterKey = secret.toString("base64");

  test.runIf(leavesCores)("are in no core of the server", async () => {
    const folder = await folderForCore();
    const env = { POSTERN_MASTER_KEY: masterKey };
    const server = await start({ env, under: withCores, as: { cwd: folder } });
    await logIn(server);
    process.kill(server.pid, "SIGABRT");
    // SIGKILL would cut the core short.
    await server.stop();
    const core = await readCore(folder);
    expect(core.includes(masterKey)).toBe(false);
    expect(core.includes(secret)).toBe(false);
  });

  test.runIf(leavesCores)("are in those of a process that does not mind", async () => {
    const folder = await folderForCore();
    const [command, ...words] = [...withCores, "cat"];
    const child = spawn(command, words, { cwd: folder, env: { ...process.env, SECRET: masterKey } });
    const exit = once(child, "exit");
    // It is `cat` by now.
    child.stdin.write("here\n");
    await once(child.stdout, "data");
    child.kill("SIGABRT");
    await exit;
    expect((await readCore(folder)).includes(masterKey)).toBe(true);
  });

  test("SIGUSR1 opens no debugger, and ends nothing", async () => {
    const server = await start();
    process.kill(server.pid, "SIGUSR1");
    await logIn(server);
    expect(await server.stop()).toBe(0);
    await expect.poll(() => server.logs.at(-1), patience).toMatchObject({ event: "stopped" });
    expect(JSON.stringify(server.logs)).not.toMatch(/inspector|debugger/i);
  });

  test("SIGUSR1 opens one of a Node that does not mind", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.resume(); console.log('up')"]);
    const exit = once(child, "exit");
    await once(child.stdout, "data");
    const [result] = await Promise.all([
      once(createInterface(child.stderr), "line"),
      process.kill(child.pid ?? 0, "SIGUSR1"),
    ]);
    expect(String(result)).toMatch(/inspector|debugger/i);
    child.kill("SIGKILL");
    await exit;
  });
});

describe("O11: hashing", () => {
  const support = `${import.meta.dirname}/../support/servers`;
  const limit = limitMemory(512 * MIB);
  afterAll(() => limit?.[Symbol.dispose]());

  test.runIf(limit)(
    "in a container of 512 MiB on 64 cores, a burst of logins gets no process killed",
    async () => {
      const server = await start({
        preload: `${support}/many-cores.ts`,
        under: limit?.under ?? [],
        env: { POSTERN_LOGIN_LIMITS: "account=off,account_all=off,address=off,total=off" },
      });
      using lean = createLeanClient({
        url: () => server.http,
        credential: TOKENS.web,
        deadlineMs: 9_000,
        slackMs: 11_000,
      });
      const guess = { identifier: "nobody@people.test", password: "a guess" };
      const guesses = Array(scaled(1_000, { atLeast: 300 })).fill(guess);
      const answers = await each(guesses, 400, (one) => lean.call("Login", one));
      const reasons = tally(answers.map((answer) => (answer.ok ? "answered" : answer.reason)));
      expect(reasons["INVALID_CREDENTIALS"]).toBeGreaterThan(0);
      expect(limit?.kills()).toBe(0);
      expect(await server.stop()).toBe(0);
    },
    600_000,
  );

  test("where not one thread is sure of its memory, the start says so", async () => {
    const short = await start({ preload: `${support}/little-memory.ts` });
    await logIn(short);
    const warning = { event: "memory_short", limit_mib: 128, wanted_mib: 307 };
    expect(short.logs).toContainEqual(expect.objectContaining(warning));
    const ample = await start();
    expect(ample.logs.map(({ event }) => event)).not.toContain("memory_short");
  });
});
