import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Bits of `flags` in fdinfo, which is octal. */
const accessMode = 0o3;

/** Paths of the regular files that a process of Linux has open for writing, deleted ones included. */
export function filesOpenForWriting(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
      const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
      const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "", 8);
      if (Number.isNaN(flags)) throw new Error(`no flags of ${path}`);
      const isFile = path.startsWith("/") && !path.startsWith("/dev/");
      return isFile && (flags & accessMode) !== 0 ? [path] : [];
    } catch (error) {
      // Closed by now.
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  });
}
