// `make bench`: measures what a call costs on this machine, compared with the minimum.
import { spawnSync } from "node:child_process";
import { parseOptions, usage } from "./options.ts";
import { textOf, writeDocs, writeFolder } from "./outputs.ts";
import { runBench } from "./run.ts";

const lastLine = /\r?\n$/;

function tell(line: string): void {
  const seconds = Math.round(performance.now() / 1_000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${line.replace(lastLine, "")}\n`);
}

/** @returns what is missing to run at all; each a line */
function missing(): string[] {
  if (process.platform !== "linux") return ["It runs on Linux alone: it reads processor time from /proc."];
  const programs = [
    ["wrk", "-v", "wrk"],
    ["h2load", "--version", "nghttp2-client"],
  ] as const;
  return programs
    .filter(([program, flag]) => spawnSync(program, [flag]).error !== undefined)
    .map(([program, , name]) => `${program} was not found: install it (on Debian: apt-get install ${name}).`);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    process.stdout.write(usage);
    return 0;
  }
  const faults = missing();
  if (faults.length > 0) {
    process.stderr.write(`${faults.join("\n")}\n`);
    return 1;
  }
  let options: ReturnType<typeof parseOptions>;
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${usage}`);
    return 2;
  }
  const report = await runBench(options, tell);
  process.stdout.write(textOf(report));
  await writeFolder(options.out, report);
  if (options.docs) await writeDocs(report);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
