import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, loadavg, release, totalmem } from "node:os";
import { promisify } from "node:util";
import { Client } from "pg";

/** What a run ran on. */
export interface Machine {
  /** When it began, in ISO 8601. */
  readonly date: string;
  /** With a `+` if the tree had changes; empty without Git. */
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Of the folder that Postgres worked in. */
  readonly fileSystem: string;
  readonly node: string;
  readonly postgres: string;
  readonly wrk: string;
  readonly h2load: string;
  /** The load average of the minute before the run: above about 0.1, other processes were running. */
  readonly load: number;
}

export async function describeMachine(postgresUrl: string): Promise<Machine> {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
  const [version = "", folder = ""] = await show(postgresUrl, ["server_version", "data_directory"]);
  const status = await outputOf("git", ["status", "--porcelain"]);
  return {
    date: new Date().toISOString(),
    commit: `${await outputOf("git", ["rev-parse", "--short=12", "HEAD"])}${status === "" ? "" : "+"}`,
    cpu: `${model} (${arch()})`,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    fileSystem: await outputOf("stat", ["-f", "-c", "%T", folder]),
    node: process.versions.node,
    postgres: version.split(" ", 1)[0] ?? "",
    wrk: /\d+(\.\d+)+/.exec(await outputOf("wrk", ["-v"]))?.[0] ?? "",
    h2load: /\d+(\.\d+)+/.exec(await outputOf("h2load", ["--version"]))?.[0] ?? "",
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** Settings of a Postgres. */
async function show(postgresUrl: string, names: readonly string[]): Promise<string[]> {
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  try {
    const { rows } = await client.query("select current_setting(unnest($1::text[])) as value", [names]);
    return rows.map(({ value }) => String(value));
  } finally {
    await client.end();
  }
}

/** A program's stdout, with any exit code; empty if there is no such program. */
async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const options = { cwd: import.meta.dirname };
  const { stdout } = await promisify(execFile)(program, [...args], options).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? "" }),
  );
  return stdout.trim();
}
