// Outlives the process that started it, to end a Postgres server that was left behind and remove its
// data. argv: the folder made for it. Its stdin is a pipe from that process, and closes with it.
import { rmSync } from "node:fs";
import { killTree, postmasterPid } from "./postgres-processes.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: postgres-guard.ts <folder>");
process.stdin.resume().once("end", () => {
  const pid = postmasterPid(`${folder}/data`);
  if (pid !== undefined) killTree(pid);
  // Backends that are being ended may still add files.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});
