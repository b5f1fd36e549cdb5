#!/usr/bin/env node
// Plain JavaScript that old versions of Node can run as well: it finds one that is new enough.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const leastVersion = [24, 18, 1];

function isNewEnough(version) {
  const parts = version.replace(/^v/, "").split(".").map(Number);
  const index = leastVersion.findIndex((least, position) => parts[position] !== least);
  return index === -1 || parts[index] > leastVersion[index];
}

/** The Node that the checkout installed, where there is one and it is new enough. */
function findInstalledNode() {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, "node_modules", ".bin", "node");
    if (existsSync(path)) {
      const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
      if (status === 0 && isNewEnough(stdout.trim())) return path;
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/** Runs this script again and ends as it ends. */
function runWith(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: "inherit" });
  // The terminal sends these to the child as well; a second one would cut its orderly end short.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const fromTerminal = ["SIGINT", "SIGQUIT"];
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR2", ...fromTerminal]) {
    process.on(signal, () => {
      if (!(terminal && fromTerminal.includes(signal))) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write(`postern: ${node} cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1;
    } else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

/**
 * Keeps memory, which holds keys, out of core dumps, and SIGUSR1 from opening Node's debugger on a port of the loopback
 * interface, which the other containers of a pod can reach.
 */
function closeMemory() {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
  } catch {
    // Not Linux, or nothing that we may say.
  }
  process.on("SIGUSR1", () => {});
}

closeMemory();
if (isNewEnough(process.version)) {
  const { main } = await import("../src/main.ts");
  process.exitCode = await main(process.argv.slice(2));
} else {
  const node = findInstalledNode();
  if (node === undefined) {
    process.stderr.write(
      `postern: Node ${leastVersion.join(".")} or newer is needed, this is ${process.version}; ` +
        "install one, or run `make setup` in a checkout\n",
    );
    process.exitCode = 2;
  } else {
    runWith(node);
  }
}
