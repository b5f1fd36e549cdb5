import { type ExecFileOptions, execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const TOP = `${import.meta.dirname}/../..`;
/** What the packages need of others. */
const DEPENDENCIES = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"];

/** `@postern/client` and `@postern/proto` as they are published. */
export interface PackedClient extends AsyncDisposable {
  /** The files of each, by its name. */
  readonly files: Readonly<Record<string, readonly string[]>>;
  /**
   * Makes a folder with the packages installed in it, by npm and without a network.
   * @param linked further packages of ours, for tests alone: taken from where they are, with all that they need
   */
  install(linked?: readonly string[]): Promise<string>;
}

/** Packs them outside of the tree: what is built on the way would be in the way of other tests there. */
export async function packClient(): Promise<PackedClient> {
  const temp = await mkdtemp(join(tmpdir(), "postern-packed-"));
  const tarballs = join(temp, "tarballs");
  await mkdir(tarballs);
  const tree = join(temp, "tree");
  for (const path of ["gen", "services/client", "tsconfig.json"]) {
    const filter = (source: string) => !["dist", "node_modules"].includes(basename(source));
    await cp(join(TOP, path), join(tree, path), { recursive: true, filter });
  }
  await symlink(join(TOP, "node_modules"), join(tree, "node_modules"));

  async function pack(folder: string, ...options: readonly string[]): Promise<PackReport> {
    const args = ["pack", "--json", `--pack-destination=${tarballs}`, ...options];
    // Scripts write to stdout as well; the report begins a line.
    const stdout = await run("npm", args, { cwd: folder });
    return JSON.parse(stdout.slice(stdout.search(/^\[$/m)))[0];
  }
  const ours = [await pack(join(tree, "gen")), await pack(join(tree, "services/client"))];
  const others: PackReport[] = [];
  for (const name of DEPENDENCIES)
    others.push(await pack(join(TOP, "node_modules", name), "--ignore-scripts"));
  const paths = [...ours, ...others].map(({ filename }) => join(tarballs, filename));

  let folders = 0;
  return {
    files: Object.fromEntries(ours.map(({ name, files }) => [name, files.map(({ path }) => path)])),
    async install(linked = []) {
      const folder = join(temp, `folder-${++folders}`);
      await mkdir(folder);
      await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
      await run("npm", ["install", "--offline", "--no-audit", "--no-fund", ...paths], { cwd: folder });
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
