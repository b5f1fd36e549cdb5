import { TextFileError, textOfFile } from "../../lib/text-of-file.ts";
import { SettingError } from "../error.ts";
import { readNamedFile } from "./named-file.ts";
import { parseRoutes, type RouteEntry } from "./routes.ts";
import { parseText } from "./text.ts";

const mostBytes = 256 * 1024;

/** Reads the routes from the file that the setting names. */
export function parseRoutesFile(path: string): readonly RouteEntry[] {
  if (path.includes("\n")) throw new SettingError("write the path of the routes file, not its content");
  return parseRoutes(readText(parseText(path)));
}

function readText(path: string): string {
  try {
    return textOfFile(readNamedFile(path, mostBytes));
  } catch (error) {
    if (error instanceof TextFileError) throw new SettingError(`names a file that ${error.message}`);
    throw error;
  }
}
