import { chown, lstat, mkdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startEmbedded } from "../../services/auth/src/embedded/embedded.ts";
import { firstUser } from "../../services/auth/src/embedded/system-user.ts";
import {
  gone,
  hold,
  makeFolder,
  newSecretToken,
  postgresOf,
  query,
} from "../support/servers/embedded-fixture.ts";

const isRoot = process.getuid?.() === 0;

async function uidOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^Uid:\s*(\d+)/m.exec(status)?.[1]);
}

describe.skipIf(!isRoot)("an embedded database by user (only root can become another)", () => {
  test("started by root, runs as a system user, who alone may pass the data folder", async () => {
    await using folder = await makeFolder();
    await using embedded = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    const uid = await uidOf(postgresOf(folder.dataDir));
    expect(uid).not.toBe(0);
    expect(await lstat(join(folder.dataDir, "database"))).toMatchObject({ uid });
    const data = await stat(folder.dataDir);
    expect([data.uid, (data.mode & 0o777).toString(8)]).toEqual([0, "710"]);
    expect(await lstat(join(folder.dataDir, "secrets.json"))).toMatchObject({ uid: 0 });
    expect(await query(embedded.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("started by root, lives elsewhere where that user cannot pass, and keeps everything over a SIGKILL", async () => {
    await using folder = await makeFolder("/root");
    {
      await using server = hold(folder.dataDir, "server");
      await query(await server.line(), "create table kept as select 42 as answer");
      const postgres = postgresOf(folder.dataDir);
      process.kill(server.pid, "SIGKILL");
      await gone(postgres);
    }
    const place = await readlink(join(folder.dataDir, "database"));
    expect(place).toMatch(/^\/var\/lib\/postern\/[0-9a-f]{32}\/database$/);
    expect((await stat(place)).mode & 0o777).toBe(0o700);
    expect((await stat(folder.dataDir)).mode & 0o777).toBe(0o700);
    await using next = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    expect(next.created).toBe(false);
    expect(await query(next.databaseUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  test("started by root, runs as the owner of the data folder where that is a normal user", async () => {
    await using folder = await makeFolder();
    const nobody = await firstUser(["nobody"]);
    await mkdir(folder.dataDir, { mode: 0o700 });
    await chown(folder.dataDir, nobody?.uid ?? 0, nobody?.gid ?? 0);
    const embedded = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    expect(await uidOf(postgresOf(folder.dataDir))).toBe(nobody?.uid);
    await query(embedded.databaseUrl, "create table kept as select 42 as answer");
    await embedded[Symbol.asyncDispose]();
    expect((await stat(folder.dataDir)).mode & 0o777).toBe(0o700);

    // Who then goes on without root.
    await using server = hold(folder.dataDir, "server", { ...nobody, cwd: "/" });
    const url = await server.line();
    expect(await uidOf(postgresOf(folder.dataDir))).toBe(nobody?.uid);
    expect(await query(url, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  test("started by a normal user, is that user's", async () => {
    await using folder = await makeFolder();
    const nobody = await firstUser(["no-such-user", "nobody"]);
    await chown(folder.path, nobody?.uid ?? 0, nobody?.gid ?? 0);
    await using server = hold(folder.dataDir, "server", { ...nobody, cwd: "/" });
    expect(await query(await server.line(), "select 1 as one")).toEqual([{ one: 1 }]);
    const postgres = postgresOf(folder.dataDir);
    expect(await uidOf(postgres)).toBe(nobody?.uid);
    process.kill(server.pid, "SIGKILL");
    await gone(postgres);
  });
});
