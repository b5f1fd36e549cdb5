// Reads what vitest's JSON reporter wrote to the file in argv. On stdout: a line for each failure, then `<passed> <failed>`.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

interface Assertion {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages: readonly string[];
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly Assertion[];
  }[];
}

const report: Report = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
let unloaded = 0;
for (const { name, status, message, assertionResults } of report.testResults) {
  const failed = assertionResults.filter((assertion) => assertion.status === "failed");
  for (const { fullName, failureMessages } of failed) show(name, fullName, failureMessages.join("\n"));
  // A file that cannot be loaded, or whose hooks fail, has failed although no test of it has.
  if (status !== "failed" || failed.length > 0) continue;
  unloaded += 1;
  show(name, "the file", message);
}
process.stdout.write(`${report.numPassedTests} ${report.numFailedTests + unloaded}\n`);

function show(file: string, test: string, message: string): void {
  const reason = message.trim().split("\n", 1)[0]?.slice(0, 500) ?? "";
  process.stdout.write(`FAILED  ${relative(process.cwd(), file)}: ${test}: ${reason}\n`);
}
