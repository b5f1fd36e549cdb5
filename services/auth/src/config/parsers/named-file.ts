import { readFileSync, statSync } from "node:fs";
import { SettingError } from "../error.ts";

/**
 * Reads the file that a setting names.
 * @throws {SettingError} with a message that continues the setting's name and does not repeat the path
 */
export function readNamedFile(path: string, mostBytes: number): Buffer {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new SettingError("names a path that is not a file");
    if (stat.size > mostBytes) throw new SettingError(`names a file of more than ${mostBytes / 1024} KiB`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof SettingError) throw error;
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new SettingError(`names a file that cannot be read${code}; name a readable file`);
  }
}
