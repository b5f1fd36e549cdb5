import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { sweepTemporary, temporaryPath } from "./temporary.ts";

test("only what ended processes left half made is swept", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-test-temporary-"));
  try {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    const own = basename(temporaryPath(folder));
    const other = own.replace(/[0-9a-f]{12}/, "0123456789ab");
    const kept = [own, other.replace(String(process.pid), String(process.ppid)), "database", ".newer"];
    // A process with our PID was our predecessor, in a container that was restarted.
    const left = [other, other.replace(String(process.pid), String(child.pid))];
    for (const name of kept) await writeFile(join(folder, name), "");
    for (const name of left) await mkdir(join(folder, name, "data"), { recursive: true });
    await sweepTemporary(folder);
    expect((await readdir(folder)).toSorted()).toEqual(kept.toSorted());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
