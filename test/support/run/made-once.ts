import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { poll } from "../poll.ts";
import { isAlive } from "../postgres/postgres-processes.ts";

const cache = `${import.meta.dirname}/../../../node_modules/.cache/made-once`;

/** What a test needs ready-made, and what it is made of. */
export interface Made {
  readonly name: string;
  /** Files, and folders with all that is in them but `dist` and `node_modules`. */
  readonly sources: readonly string[];
  /** What else decides what is made, such as a version. */
  readonly versions?: readonly string[];
  /** Makes it in an empty folder. */
  make(folder: string): Promise<void>;
}

/**
 * Makes something that takes long once for all tests and runs, until what it is made of changes. Processes that ask at
 * the same time wait for the first one.
 * @returns the folder, which must not be changed
 */
export async function madeOnce({ name, sources, versions = [], make }: Made): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(versions));
  for (const source of sources) await addFiles(hash, source);
  const path = join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
  await mkdir(cache, { recursive: true });
  const isOurs = await poll(`${name} is there, or ours to make`, 240_000, async () => {
    if (await exists(path)) return false;
    return (await lock(`${path}.lock`)) || undefined;
  });
  if (!isOurs) return path;
  const folder = await mkdtemp(join(cache, `${name}-new-`));
  try {
    // Another process may have made it since we looked.
    if (await exists(path)) return path;
    await make(folder);
    await rename(folder, path).catch(async (error: unknown) => {
      if (!(await exists(path))) throw error;
    });
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(`${path}.lock`, { force: true });
  }
}

async function addFiles(hash: ReturnType<typeof createHash>, path: string): Promise<void> {
  if (!(await stat(path)).isDirectory()) {
    hash.update(`${path}\0`).update(await readFile(path));
    return;
  }
  for (const name of (await readdir(path)).sort()) {
    if (name !== "dist" && name !== "node_modules") await addFiles(hash, join(path, name));
  }
}

/** Takes the lock, also of a process that has ended without giving it back. */
async function lock(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = Number(await readFile(path, "utf8").catch(() => ""));
    if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
    return false;
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
