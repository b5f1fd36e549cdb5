import { spawn } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startEmbedded } from "../../services/auth/src/embedded/embedded.ts";
import { poll } from "../support/poll.ts";
import { childrenOf } from "../support/postgres/postgres-processes.ts";
import {
  gone,
  hold,
  makeFolder,
  makeUsedFolder,
  newSecretToken,
  postgresOf,
  query,
} from "../support/servers/embedded-fixture.ts";

describe("an embedded database whose server is killed", () => {
  test.each([
    ["the server", (pid: number) => process.kill(pid, "SIGKILL")],
    ["its whole process group", (pid: number) => process.kill(-pid, "SIGKILL")],
  ])("leaves no process behind after SIGKILL to %s", async (_, kill) => {
    await using folder = await makeUsedFolder();
    await using server = hold(folder.dataDir, "server");
    await server.line();
    const postgres = postgresOf(folder.dataDir);
    const guard = parentOf(await readFile(`/proc/${postgres}/stat`, "utf8"));
    const all = [...childrenOf(postgres), ...childrenOf(guard), guard];
    expect(all).toContain(postgres);
    kill(server.pid);
    await Promise.all(all.map(gone));
  });

  test("keeps everything, also for a server that starts at once", async () => {
    await using folder = await makeUsedFolder();
    await using server = hold(folder.dataDir, "server");
    await query(await server.line(), "create table kept as select 42 as answer");
    process.kill(server.pid, "SIGKILL");
    await server.exit;
    await using next = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    expect(next.created).toBe(false);
    expect(await query(next.databaseUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  test("survives Ctrl-C until the server has disposed of it", async () => {
    await using folder = await makeUsedFolder();
    await using server = hold(folder.dataDir, "server");
    await server.line();
    const postgres = postgresOf(folder.dataDir);
    process.kill(-server.pid, "SIGINT");
    expect(await server.line()).toBe("still there");
    expect(await server.exit).toBe(0);
    await gone(postgres);
  });

  test("starts again after a SIGKILL during its first start", async () => {
    await using folder = await makeFolder();
    await using server = hold(folder.dataDir, "server");
    await poll("initdb is at work", 20_000, async () => {
      const names = await readdir(folder.dataDir, { recursive: true });
      return names.some((name) => name.endsWith("/PG_VERSION")) ? true : undefined;
    });
    process.kill(server.pid, "SIGKILL");
    await server.exit;
    expect(await readdir(folder.dataDir)).not.toContain("database");
    const secrets = await readFile(join(folder.dataDir, "secrets.json"), "utf8");
    await using next = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    expect(next.created).toBe(true);
    expect(next.secrets).toEqual(JSON.parse(secrets));
    expect(await query(next.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
    expect((await readdir(folder.dataDir)).toSorted()).toEqual(["database", "secrets.json"]);
  });

  test("starts although another process has the PID in an old postmaster.pid", async () => {
    await using folder = await makeUsedFolder();
    const options = { dataDir: folder.dataDir, newSecretToken };
    await (await startEmbedded(options))[Symbol.asyncDispose]();
    const database = join(folder.dataDir, "database");
    const { uid, gid } = await stat(database);
    // Postgres itself assumes that any process of its user is the one in the file.
    const as = process.getuid?.() === 0 ? { uid, gid } : {};
    const outsider = spawn("/bin/sh", ["-c", "read -r line"], { ...as, cwd: "/", env: {} });
    try {
      const lines = [outsider.pid, database, 1, 1, "", "127.0.0.1", "", "ready   ", ""];
      await writeFile(join(database, "postmaster.pid"), lines.join("\n"));
      await using next = await startEmbedded(options);
      expect(await query(next.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
      expect(outsider.exitCode).toBeNull();
    } finally {
      outsider.stdin.end();
    }
  });
});

function parentOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
