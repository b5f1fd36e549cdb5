import { lstat, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { EmbeddedError, openEmbedded, startEmbedded } from "../../services/auth/src/embedded/embedded.ts";
import { poll } from "../support/poll.ts";
import { signal } from "../support/postgres/postgres-processes.ts";
import {
  gone,
  hold,
  makeFolder,
  makeUsedFolder,
  newSecretToken,
  postgresOf,
  query,
} from "../support/servers/embedded-fixture.ts";

describe("a server's embedded database", () => {
  test("starts on an empty folder, closed to others, and keeps everything over a restart", async () => {
    await using folder = await makeFolder();
    const options = { dataDir: folder.dataDir, newSecretToken };
    const first = await startEmbedded(options);
    try {
      expect(first.created).toBe(true);
      expect(first.secrets.secretToken).toBe(newSecretToken());
      await query(first.databaseUrl, "create table kept as select 42 as answer");
    } finally {
      await first[Symbol.asyncDispose]();
    }
    expect((await lstat(folder.dataDir)).mode & 0o066).toBe(0);
    expect((await lstat(join(folder.dataDir, "secrets.json"))).mode & 0o777).toBe(0o600);

    await using second = await startEmbedded(options);
    expect(second.created).toBe(false);
    expect(second.secrets).toEqual(first.secrets);
    expect(await query(second.databaseUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  test("has checksums, UTF-8, the C locale and scram, and listens on 127.0.0.1 alone", async () => {
    await using folder = await makeUsedFolder();
    await using embedded = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    const settings = `select current_setting('data_checksums') checksums,
      current_setting('server_encoding') encoding, datcollate, datctype,
      current_setting('listen_addresses') addresses, current_setting('unix_socket_directories') sockets,
      (select string_agg(distinct auth_method, ',') from pg_hba_file_rules) auth
      from pg_database where datname = current_database()`;
    expect(await query(embedded.databaseUrl, settings)).toEqual([
      {
        checksums: "on",
        encoding: "UTF8",
        datcollate: "C",
        datctype: "C",
        addresses: "127.0.0.1",
        sockets: "",
        auth: "scram-sha-256",
      },
    ]);
    const other = new URL(embedded.databaseUrl);
    other.password = "wrong";
    await expect(query(other.href, "select 1")).rejects.toMatchObject({ code: "28P01" });
  });

  test("logs neither statements nor rows", async () => {
    await using folder = await makeUsedFolder();
    const log: string[] = [];
    const embedded = await startEmbedded({
      dataDir: folder.dataDir,
      newSecretToken,
      onLog: (line) => log.push(line),
    });
    try {
      await query(embedded.databaseUrl, "create table t (word text check (length(word) < 3))");
      await expect(query(embedded.databaseUrl, "insert into t values ('sesame')")).rejects.toThrow();
    } finally {
      await embedded[Symbol.asyncDispose]();
    }
    expect(log.join("\n")).toContain("violates check constraint");
    expect(log.join("\n")).not.toContain("sesame");
  });

  test("refuses a folder on which another server runs, and names it", async () => {
    await using folder = await makeUsedFolder();
    await using server = hold(folder.dataDir, "server");
    const url = await server.line();
    const second = startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    await expect(second).rejects.toThrow(EmbeddedError);
    await expect(second).rejects.toThrow(folder.dataDir);
    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("lets one of two first starts at once win, and the other be refused", async () => {
    await using folder = await makeFolder();
    const start = () => startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    const outcomes = await Promise.allSettled([start(), start()]);
    const started = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const [embedded] = started;
    try {
      expect(started).toHaveLength(1);
      const reasons = outcomes.flatMap((it) => (it.status === "rejected" ? [it.reason] : []));
      expect(reasons).toEqual([expect.objectContaining({ name: "EmbeddedError" })]);
      expect(await query(embedded?.databaseUrl ?? "", "select 1 as one")).toEqual([{ one: 1 }]);
    } finally {
      for (const one of started) await one[Symbol.asyncDispose]();
    }
  });

  test("reports when Postgres ends by itself", async () => {
    await using folder = await makeUsedFolder();
    await using embedded = await startEmbedded({ dataDir: folder.dataDir, newSecretToken });
    signal(postgresOf(folder.dataDir), "SIGKILL");
    expect(await embedded.ended).toBe(128 + 9);
  });

  test("passes none of our environment to Postgres or its supervisor", async () => {
    await using folder = await makeUsedFolder();
    await using server = hold(folder.dataDir, "server", {
      env: { PATH: process.env["PATH"], POSTERN_MASTER_KEY: "sesame", OTHER: "sesame" },
    });
    await server.line();
    const postgres = postgresOf(folder.dataDir);
    const status = await readFile(`/proc/${postgres}/status`, "utf8");
    const guard = /^PPid:\s*(\d+)$/m.exec(status)?.[1];
    for (const pid of [postgres, guard]) {
      const variables = (await readFile(`/proc/${pid}/environ`, "utf8")).split("\0");
      expect(variables).toContain("TZ=UTC");
      expect(variables.filter((it) => it.includes("POSTERN") || it.includes("sesame"))).toEqual([]);
    }
  });

  test("refuses a database whose secrets are lost", async () => {
    await using folder = await makeUsedFolder();
    const options = { dataDir: folder.dataDir, newSecretToken };
    await (await startEmbedded(options))[Symbol.asyncDispose]();
    await rm(join(folder.dataDir, "secrets.json"));
    await expect(startEmbedded(options)).rejects.toThrow("no secrets.json");
    await expect(lstat(join(folder.dataDir, "secrets.json"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a command's embedded database", () => {
  test("is the server's where one runs, and outlives the command", async () => {
    await using folder = await makeUsedFolder();
    await using server = hold(folder.dataDir, "server");
    const url = await server.line();
    const command = await openEmbedded({ dataDir: folder.dataDir, newSecretToken });
    expect(command.databaseUrl).toBe(url);
    expect(command.created).toBe(false);
    await command[Symbol.asyncDispose]();
    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("is started where none runs, and ends with the command", async () => {
    await using folder = await makeUsedFolder();
    const command = await openEmbedded({ dataDir: folder.dataDir, newSecretToken });
    const pid = postgresOf(folder.dataDir);
    expect(await query(command.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
    await command[Symbol.asyncDispose]();
    await gone(pid);
  });

  test("stays until other commands have done with it, and a server waits for that", async () => {
    await using folder = await makeUsedFolder();
    const options = { dataDir: folder.dataDir, newSecretToken };
    const first = await openEmbedded(options);
    const second = await openEmbedded(options);
    const client = new Client(second.databaseUrl);
    await client.connect();
    const disposed = first[Symbol.asyncDispose]();
    const server = startEmbedded(options);
    await poll("Postgres is ending", 10_000, async () => {
      const file = await readFile(join(folder.dataDir, "database", "postmaster.pid"), "utf8");
      return file.includes("stopping") ? true : undefined;
    });
    expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    await client.end();
    await disposed;
    await using started = await server;
    expect(started.databaseUrl).not.toBe(first.databaseUrl);
    expect(await query(started.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  });
});
