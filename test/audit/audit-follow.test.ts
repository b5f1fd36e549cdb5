import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { poll } from "../support/poll.ts";
import { createDatabase, type TestDatabase, withClient } from "../support/postgres/database.ts";
import { childEnv } from "../support/servers/child-env.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { ISSUER } from "../support/servers/server-process.ts";

const binary = fileURLToPath(import.meta.resolve("../../services/auth/bin/postern.js"));
const preload = fileURLToPath(import.meta.resolve("../support/servers/end-with-parent.ts"));

let database: TestDatabase;
let env: Record<string, string>;

beforeAll(async () => {
  database = await createDatabase();
  env = {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_ISSUER: ISSUER,
    POSTERN_MASTER_KEY: randomBytes(32).toString("base64"),
  };
});
afterAll(() => database?.drop());

/** Notes an event of this request, at once or within the transaction that the connection is in. */
async function note(requestId: string, client?: Client): Promise<void> {
  const sql = "select postern.record_audit('user_created', 'test', $1, null, null, $2)";
  const values = [requestId, `client of ${requestId}`];
  if (client !== undefined) await client.query(sql, values);
  else await withClient(database.url, (own) => own.query(sql, values));
}

/** A process of `postern audit --follow`, which has begun to follow. */
async function follow(...args: string[]) {
  const child = spawn(process.execPath, ["--import", preload, binary, "audit", "--follow", ...args], {
    env: childEnv(env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on("line", (line) => lines.push(line));
  const stderr = text(child.stderr);
  const ended = once(child, "close").then(([code]) => code as number | null);
  let pilots = 0;
  await poll("the first event is shown", 30_000, async () => {
    if (child.exitCode !== null) throw new Error(`it has ended: ${await stderr}`);
    await note(`pilot ${pilots++}`);
    return lines.length > 0 ? true : undefined;
  });
  return {
    child,
    lines,
    stderr,
    ended,
    /** Waits for a line that holds the text. */
    line: (part: string) =>
      poll(`a line with ${part}`, 20_000, async () => lines.find((line) => line.includes(part))),
    closeStdout() {
      reader.close();
      child.stdout.destroy();
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

describe("postern audit --follow", { timeout: 60_000 }, () => {
  test("shows an event that came before another, and was committed after it was shown", async () => {
    await using following = await follow("--json");
    const slow = new Client({ connectionString: database.url });
    await slow.connect();
    try {
      await slow.query("begin");
      await note("late", slow);
      await note("between");
      await following.line('"between"');
      await note("after");
      await following.line('"after"');
      expect(following.lines.filter((line) => line.includes('"late"'))).toEqual([]);
      await slow.query("commit");
      await following.line('"late"');
    } finally {
      await slow.end();
    }
    await note("last");
    await following.line('"last"');
    const ids = following.lines.map((line) => JSON.parse(line).id);
    expect(new Set(ids).size).toBe(ids.length);
    const order = following.lines.map((line) => JSON.parse(line).requestId);
    expect(order.filter((one) => !one.startsWith("pilot"))).toEqual(["between", "after", "late", "last"]);
  });

  test("begins at --since, with the oldest event, and continues", async () => {
    const requests = ["one", "two", "three"].map((name) => `since ${name}`);
    for (const request of requests) await note(request);
    await using following = await follow("--json", "--since", "1h", "--client", "client of since two");
    await note("since two");
    await poll("both are shown", 20_000, async () => (following.lines.length === 2 ? true : undefined));
    const shown = following.lines.map((line) => JSON.parse(line));
    expect(shown.map(({ requestId }) => requestId)).toEqual(["since two", "since two"]);
    expect(shown[0].at < shown[1].at).toBe(true);
  });

  test("survives that the database is away for a moment", async () => {
    await using following = await follow("--json");
    await withClient(database.url, (client) =>
      client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'postern %' and datname = current_database()",
      ),
    );
    await note("back");
    await following.line('"back"');
  });

  test.each(["SIGINT", "SIGTERM"] as const)("ends at %s with 0", async (signal) => {
    await using following = await follow();
    following.child.kill(signal);
    expect(await following.ended).toBe(0);
    expect(await following.stderr).toBe("");
  });

  test("ends with 0 when its output is closed", async () => {
    await using following = await follow("--json");
    following.closeStdout();
    let ended = false;
    following.ended.finally(() => {
      ended = true;
    });
    let notes = 0;
    await poll("it has ended", 30_000, async () => {
      await note(`unread ${notes++}`);
      return ended || undefined;
    });
    expect(await following.ended).toBe(0);
    expect(await following.stderr).toBe("");
  });
});

test("K02: an attacker's text is one line, and controls no terminal", async () => {
  const nasty = 'evil"}\r\n{"event":"login"}\u001b[2J\u001b]0;x\u0007\u202e\u2028';
  const sql = `select postern.record_audit('refresh_foreign', $1, $1, null, null, $1,
    jsonb_build_object('session_caller', $1::text), $1)`;
  await withClient(database.url, (client) => client.query(sql, [nasty]));
  await using following = await follow("--since", "1h");
  const line = await following.line("refresh_foreign");
  const outputs = [line];
  for (const args of [[], ["--json"]]) {
    const { code, stdout } = await runPostern(["audit", "--event", "refresh_foreign", ...args], env);
    expect(code).toBe(0);
    outputs.push(stdout.trimEnd());
    if (args.length > 0)
      expect(JSON.parse(stdout).events).toMatchObject([{ clientId: nasty, caller: nasty }]);
  }
  expect(outputs.map((output) => output.split("\n").length)).toEqual([1, 2, 1]);
  for (const output of outputs) {
    expect(output.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
    expect(output).toContain("\\u001b[2J");
  }
});
