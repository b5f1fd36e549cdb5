import { execFile } from "node:child_process";
import { access, constants, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { guardedFolder } from "../postgres/guarded-folder.ts";
import type { RedisHost } from "./redis-host.ts";

const PATH = "/usr/bin:/bin";

/** Whether Debian's Redis is installed, Sentinel included. */
export async function isRedisInstalled(): Promise<boolean> {
  const programs = ["redis-server", "redis-sentinel"].map((name) => `/usr/bin/${name}`);
  return Promise.all(programs.map((file) => access(file, constants.X_OK))).then(
    () => true,
    () => false,
  );
}

/** Processes of this machine, on a folder of their own. */
export async function openLocalHost(ports: readonly number[]): Promise<RedisHost> {
  const { path: folder, sweep } = await guardedFolder("redis");
  return {
    ports,
    folder,
    bind: "127.0.0.1",
    async write(path, content) {
      const file = `${folder}/${path}`;
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content, { mode: 0o600 });
    },
    async run(script, ...parameters) {
      const { stdout } = await promisify(execFile)("/bin/sh", ["-c", script, "sh", ...parameters], {
        env: { PATH, LC_ALL: "C.UTF-8" },
        cwd: "/",
      });
      return stdout;
    },
    [Symbol.asyncDispose]: sweep,
  };
}
