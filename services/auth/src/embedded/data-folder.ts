import { mkdir, realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { EmbeddedError } from "./embedded-error.ts";

/** Read or write access for the group or all others. Access to pass (`x`) reveals nothing. */
const OPEN_TO_OTHERS = 0o066;

/**
 * Creates the data folder (0700) if there is none.
 * @returns its real path
 * @throws EmbeddedError if it is not a folder, belongs to another user, or others can read or change it
 */
export async function openDataFolder(path: string): Promise<string> {
  await mkdir(dirname(resolve(path)), { recursive: true });
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const folder = await realpath(path);
  const found = await stat(folder);
  if (!found.isDirectory()) throw new EmbeddedError(`${folder} is not a folder; set POSTERN_DATA_DIR to one`);
  const me = process.geteuid?.();
  if (me !== 0 && me !== found.uid) {
    throw new EmbeddedError(
      `${folder} belongs to another user (uid ${found.uid}); run as that user, or set POSTERN_DATA_DIR to a folder of your own`,
    );
  }
  if ((found.mode & OPEN_TO_OTHERS) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw new EmbeddedError(
      `${folder} is open to others (mode ${mode}) and would hold secrets; chmod 700 it, or set POSTERN_DATA_DIR to another folder`,
    );
  }
  return folder;
}
