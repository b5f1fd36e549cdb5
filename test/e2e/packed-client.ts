import { type ExecFileOptions, execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { madeOnce } from "../support/run/made-once.ts";

const TOP = `${import.meta.dirname}/../..`;
/** What the packages need of others. */
const DEPENDENCIES = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"];

/** `@postern/client` and `@postern/proto` as they are published. */
export interface PackedClient extends AsyncDisposable {
  /** The files of each, by its name. */
  readonly files: Readonly<Record<string, readonly string[]>>;
  /**
   * Makes a folder with the packages installed in it, as npm does without a network.
   * @param linked further packages for the tests, as links to `node_modules` of the repository
   */
  install(linked?: readonly string[]): Promise<string>;
}

/** What is made once: the folder `installed`, and what `npm pack` has said of our packages. */
const packed = {
  name: "packed-client",
  sources: [
    ...["gen", "services/client", "tsconfig.json", "package-lock.json"].map((path) => join(TOP, path)),
    fileURLToPath(import.meta.url),
  ],
  make: packAndInstall,
};

/** The packages, packed and installed once for all tests, until their sources change. */
export async function packClient(): Promise<PackedClient> {
  const made = await madeOnce(packed);
  const reports: PackReport[] = JSON.parse(await readFile(join(made, "packed.json"), "utf8"));
  const temp = await mkdtemp(join(tmpdir(), "postern-packed-"));
  let folders = 0;
  return {
    files: Object.fromEntries(reports.map(({ name, files }) => [name, files.map(({ path }) => path)])),
    async install(linked = []) {
      const folder = join(temp, `folder-${++folders}`);
      await cp(join(made, "installed"), folder, { recursive: true, verbatimSymlinks: true });
      for (const name of linked) {
        const link = join(folder, "node_modules", name);
        await mkdir(join(link, ".."), { recursive: true });
        await symlink(join(TOP, "node_modules", name), link);
      }
      return folder;
    },
    [Symbol.asyncDispose]: () => rm(temp, { recursive: true }),
  };
}

/** Packs them outside of the tree: what is built on the way would be in the way of other tests there. */
async function packAndInstall(made: string): Promise<void> {
  const temp = await mkdtemp(join(tmpdir(), "postern-packing-"));
  try {
    const tarballs = join(temp, "tarballs");
    await mkdir(tarballs);
    const tree = join(temp, "tree");
    for (const path of ["gen", "services/client", "tsconfig.json"]) {
      const filter = (source: string) => !["dist", "node_modules"].includes(basename(source));
      await cp(join(TOP, path), join(tree, path), { recursive: true, filter });
    }
    await symlink(join(TOP, "node_modules"), join(tree, "node_modules"));

    const pack = async (folder: string, ...options: readonly string[]): Promise<PackReport> => {
      const args = ["pack", "--json", `--pack-destination=${tarballs}`, ...options];
      // Scripts write to stdout as well; the report begins a line.
      const stdout = await run("npm", args, { cwd: folder });
      return JSON.parse(stdout.slice(stdout.search(/^\[$/m)))[0];
    };
    const ours = [await pack(join(tree, "gen")), await pack(join(tree, "services/client"))];
    const others: PackReport[] = [];
    for (const name of DEPENDENCIES)
      others.push(await pack(join(TOP, "node_modules", name), "--ignore-scripts"));
    const paths = [...ours, ...others].map(({ filename }) => join(tarballs, filename));

    const folder = join(temp, "installed");
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", ...paths], { cwd: folder });
    await cp(folder, join(made, "installed"), { recursive: true, verbatimSymlinks: true });
    await writeFile(join(made, "packed.json"), JSON.stringify(ours));
  } finally {
    await rm(temp, { recursive: true });
  }
}

interface PackReport {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Runs a command to its end. @returns what it wrote to stdout @throws with all that it wrote, where it fails */
export async function run(
  command: string,
  args: readonly string[],
  options: ExecFileOptions,
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { ...options, encoding: "utf8" });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
  }
}
