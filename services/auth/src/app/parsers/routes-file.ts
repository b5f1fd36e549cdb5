import { readFileSync, statSync } from "node:fs";
import { TextFileError, textOfFile } from "../../lib/text-of-file.ts";
import { SettingError } from "../config-error.ts";
import { parseRoutes, type RouteEntry } from "./routes.ts";
import { parseText } from "./text.ts";

const mostBytes = 256 * 1024;

/** Reads the routes from the file that the setting names. */
export function parseRoutesFile(path: string): readonly RouteEntry[] {
  if (path.includes("\n")) throw new SettingError("write the path of the routes file, not what stands in it");
  return parseRoutes(readText(parseText(path)));
}

function readText(path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new SettingError("names something that is no file");
    if (stat.size > mostBytes) throw new SettingError(`names a file of more than ${mostBytes / 1024} KiB`);
    return textOfFile(readFileSync(path));
  } catch (error) {
    if (error instanceof SettingError) throw error;
    if (error instanceof TextFileError) throw new SettingError(`names a file that ${error.message}`);
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new SettingError(`names a file that cannot be read${code}; name one that can`);
  }
}
