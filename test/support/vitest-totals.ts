// Adds up what vitest's JSON reporter wrote to the file in argv; on stdout: `<passed> <failed>`.
import { readFileSync } from "node:fs";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const report: Report = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
// A file that cannot be loaded has no tests to count, and has failed all the same.
const unloaded = report.testResults.filter((r) => r.status === "failed" && r.assertionResults.length === 0);
process.stdout.write(`${report.numPassedTests} ${report.numFailedTests + unloaded.length}\n`);
