import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients } from "../support/clients/clients.ts";
import { poll } from "../support/poll.ts";
import { childrenOf, signal } from "../support/postgres/postgres-processes.ts";
import { type Folder, gone, makeFolder } from "../support/servers/embedded-fixture.ts";
import { runPostern, startPostern } from "../support/servers/postern-command.ts";
import { embeddedEnvironment, type MakeRun, makeRun } from "./make-run.ts";

/** A first start also makes the database. */
const slow = 90_000;
const patient = { timeoutMs: 20_000 };

/** Pastes the printed call into a shell. */
async function paste(run: MakeRun): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)("bash", ["-c", run.lines.at(-1) ?? ""]);
  return JSON.parse(stdout);
}

function clientsOf(run: MakeRun) {
  return createClients({ baseUrl: run.said("http"), credential: run.said("token") });
}

async function publicKeys(run: MakeRun): Promise<unknown> {
  return (await fetch(`${run.said("http")}/.well-known/jwks.json`)).json();
}

describe("make run, on a fresh folder,", () => {
  let folder: Folder;
  let run: MakeRun;
  beforeAll(async () => {
    folder = await makeFolder();
    run = await makeRun(folder.dataDir);
  }, slow);
  afterAll(async () => {
    await run?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test("says where it listens, who may come in, and what to paste, in that order", async () => {
    const url = /http:\/\/127\.0\.0\.1:[1-9]\d*$/.source;
    expect(run.lines).toEqual([
      expect.stringMatching(`^http ${url}`),
      expect.stringMatching(`^grpc ${url}`),
      expect.stringMatching(`^ops ${url}`),
      expect.stringMatching(/^admin \S+@\S+ \S{12,}$/),
      expect.stringMatching(/^token \S{32,}$/),
      expect.stringMatching(/^curl /),
    ]);
    expect((await fetch(`${run.said("ops")}/readyz`)).status).toBe(200);
  });

  test("prints a call that logs in as pasted", async () => {
    expect(await paste(run)).toMatchObject({
      loggedIn: {
        tokens: { accessToken: expect.any(String), refreshToken: expect.stringMatching(/^ptn_rt_/) },
      },
    });
  });

  test("lets no second server onto its folder, and goes on", async () => {
    const second = await runPostern(["serve", "--embedded"], embeddedEnvironment(folder.dataDir));
    expect(second).toMatchObject({ code: 1, stdout: "" });
    expect(second.stderr).toContain(folder.dataDir);
    expect(await paste(run)).toHaveProperty("loggedIn");
  });

  test("knows the users that `postern user create --embedded` adds while it runs", async () => {
    const made = await runPostern(
      ["user", "create", "--embedded", "--email", "added@example.com", "--json"],
      embeddedEnvironment(folder.dataDir),
    );
    expect(made).toMatchObject({ code: 0 });
    const { id, password } = JSON.parse(made.stdout);
    using clients = clientsOf(run);
    const { outcome } = await clients.auth.login({ identifier: "added@example.com", password }, patient);
    expect(outcome.value?.session?.userId).toBe(id);
  });
});

describe("make run", () => {
  test(
    "ends with 0 at SIGTERM, leaves nothing running, and knows everything at its next start",
    async () => {
      await using folder = await makeFolder();
      await using first = await makeRun(folder.dataDir);
      const login = (await paste(first)) as { loggedIn: { tokens: { refreshToken: string } } };
      const { refreshToken } = login.loggedIn.tokens;
      const keys = await publicKeys(first);

      const processes = [first.serverPid, first.postgresPid, ...childrenOf(first.serverPid)];
      process.kill(first.serverPid, "SIGTERM");
      expect(await first.ended).toEqual({ code: 0, rest: [] });
      await Promise.all(processes.map(gone));

      await using second = await makeRun(folder.dataDir);
      expect(second.lines.map((line) => line.split(" ", 1)[0])).toEqual([
        "http",
        "grpc",
        "ops",
        "token",
        "curl",
      ]);
      expect(second.said("token")).toBe(first.said("token"));
      expect(await publicKeys(second)).toEqual(keys);
      using clients = clientsOf(second);
      const { tokens } = await clients.auth.refresh({ refreshToken }, patient);
      expect(await clients.auth.introspect({ token: tokens?.accessToken ?? "" }, patient)).toMatchObject({
        active: true,
      });
      expect(await paste(second)).toHaveProperty("loggedIn");
    },
    slow,
  );

  test.each<[string, (run: MakeRun) => void]>([
    ["its server is killed", ({ serverPid }) => signal(serverPid, "SIGKILL")],
    ["make is killed, which started it", ({ pid }) => signal(pid, "SIGKILL")],
    ["Ctrl-C is pressed", ({ pid }) => signal(-pid, "SIGINT")],
  ])(
    "leaves nothing running when %s",
    async (_, end) => {
      await using folder = await makeFolder();
      await using run = await makeRun(folder.dataDir);
      const processes = [
        ...[run.serverPid, run.postgresPid],
        ...[run.serverPid, run.postgresPid].flatMap(childrenOf),
      ];
      end(run);
      await Promise.all(processes.map(gone));
    },
    slow,
  );
});

test(
  "an embedded server starts even if the minimum password length exceeds the length of the password that it generates",
  async () => {
    await using folder = await makeFolder();
    const env = { ...embeddedEnvironment(folder.dataDir), POSTERN_PASSWORD_MIN_LENGTH: "64" };
    await using serving = startPostern(["serve", "--embedded"], env);
    await poll("it is ready or has ended", slow, async () =>
      /"event":"ready"|postern serve:/.test(serving.stderr()) ? true : undefined,
    );
    expect(serving.stderr()).not.toContain("postern serve:");
    serving.signal("SIGTERM");
    expect(await serving.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^admin \S+ \S+$/m) });
  },
  slow,
);
