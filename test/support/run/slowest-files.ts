import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

const shown = 10;

/** A reporter that ends a run with its ten slowest files, in seconds of tests and hooks. */
export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const files = modules
      .map((module) => ({
        name: relative(module.project.config.root, module.moduleId),
        seconds: module.diagnostic().duration / 1_000,
      }))
      .sort((a, b) => b.seconds - a.seconds);
    process.stdout.write("\nSlowest files (seconds)\n");
    for (const { name, seconds } of files.slice(0, shown)) {
      process.stdout.write(`${seconds.toFixed(1).padStart(8)}  ${name}\n`);
    }
  }
}
