// Loaded into a server before its own code: at SIGUSR2 it collects its garbage, and reports in a line of JSON on
// stderr what is left.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

process.on("SIGUSR2", () => {
  // What the first run finishes, the second one collects.
  collect();
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.stderr.write(`${JSON.stringify({ event: "collected", heapUsed, external, arrayBuffers })}\n`);
});
