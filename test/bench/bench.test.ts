import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { cases } from "./cases.ts";
import { allOk } from "./measure.ts";
import { methods } from "./methods.ts";
import { withFigures } from "./outputs.ts";
import type { Report } from "./report.ts";

const main = `${import.meta.dirname}/main.ts`;

/** Runs the benchmark with as few calls as there may be. */
async function runBench(...args: string[]): Promise<{ report: Report; shown: string; chart: string }> {
  const out = await mkdtemp(`${tmpdir()}/postern-bench-test-`);
  try {
    const child = spawn(
      process.execPath,
      [main, "--seconds", "0.01", "--rounds", "1", "--people", "40", "--out", out, ...args],
      { env: { PATH: process.env["PATH"] }, stdio: ["ignore", "pipe", "pipe"] },
    );
    const [shown, result, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    expect(code, result).toBe(0);
    const report = JSON.parse(await readFile(`${out}/bench.json`, "utf8"));
    return { report, shown, chart: await readFile(`${out}/bench.svg`, "utf8") };
  } finally {
    await rm(out, { recursive: true });
  }
}

test("every case gives figures, of calls that were all answered ok", async () => {
  const { report, shown, chart } = await runBench("--no-redis", "--no-cold");
  expect(report.cases.map(({ name }) => name)).toEqual(cases.map(({ name }) => name));
  for (const { name, rounds, bare } of report.cases) {
    for (const round of [...rounds, ...bare]) {
      expect(round.calls, name).toBeGreaterThanOrEqual(report.inFlight);
      expect(Math.min(round.perSecond, round.p50Ms, round.p99Ms), name).toBeGreaterThan(0);
      expect(round.p99Ms, name).toBeGreaterThanOrEqual(round.p50Ms);
    }
    expect(rounds).toHaveLength(1);
    expect(bare).toHaveLength(1);
    expect(shown).toContain(`\n${name} `);
    expect(chart).toContain(`>${name}<`);
  }
  for (const { name, rounds } of report.bareWork) {
    for (const { calls, cpuMs } of rounds) expect(Math.min(calls, cpuMs), name).toBeGreaterThan(0);
  }
  const document = await readFile(`${import.meta.dirname}/../../docs/benchmarks.md`, "utf8");
  const renewed = withFigures(document, report);
  expect(renewed).toContain(`commit ${report.machine.commit}, ${report.machine.date}`);
  expect(withFigures(renewed, report)).toBe(renewed);
}, 600_000);

test.each([
  ["was refused", { ok: 9, UNAVAILABLE: 1 }],
  ["was not counted", { ok: 9 }],
  ["was made by another client", { ok: 11 }],
])("a call that %s shows in the server's counts", async (_, outcomes) => {
  await expect(counted(outcomes)).rejects.toThrow(
    "10 calls of /postern.auth.v1.AuthService/Refresh were to be ok",
  );
});

test("the server's counts may be what they should be", async () => {
  expect(await counted({ ok: 10 })).toBe("figures");
});

/** What comes of ten calls of a server that counts these. */
async function counted(outcomes: Readonly<Record<string, number>>): Promise<string> {
  const name = (outcome: string) =>
    `postern_rpc_calls_total{method="postern.auth.v1.AuthService/Refresh",outcome="${outcome}"}`;
  let after = false;
  const server = createServer((_, response) => {
    const lines = Object.entries(outcomes).map(
      ([outcome, more]) => `${name(outcome)} ${5 + (after ? more : 0)}`,
    );
    response.end(`${lines.join("\n")}\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const ops = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return await allOk(methods.refresh, { urls: { ops } }, 10, async () => {
      after = true;
      return "figures";
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
