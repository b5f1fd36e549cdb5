import { type ChildProcess, spawn } from "node:child_process";
import { access, chmod, constants, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { poll } from "../poll.ts";
import { freePort } from "../ports.ts";
import { guardedFolder } from "../postgres/guarded-folder.ts";

/** A third-party proxy in front of an application. */
export interface FrontProxy extends AsyncDisposable {
  readonly url: string;
}

export interface FrontProxyOptions {
  /** The program's path. */
  readonly program: string;
  /** @param folder its own, where it is started */
  readonly words: (folder: string) => readonly string[];
  /** By name: what is written into its folder first. */
  readonly files: (place: {
    readonly folder: string;
    readonly port: number;
  }) => Readonly<Record<string, string>>;
}

export async function isInstalled(program: string): Promise<boolean> {
  return access(program, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Starts a proxy on a free port of 127.0.0.1, and resolves once it takes connections. */
export async function startFrontProxy(options: FrontProxyOptions): Promise<FrontProxy> {
  const folder = await guardedFolder("proxy");
  try {
    // Its workers may be another user's.
    await chmod(folder.path, 0o755);
    const port = await freePort();
    for (const [name, text] of Object.entries(options.files({ folder: folder.path, port }))) {
      await writeFile(`${folder.path}/${name}`, text);
    }
    const child = spawn(options.program, options.words(folder.path), {
      cwd: folder.path,
      env: { HOME: folder.path, PATH: "/usr/bin:/bin" },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await listening(child, options.program, port);
    return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: folder.sweep };
  } catch (error) {
    await folder.sweep();
    throw error;
  }
}

async function listening(child: ChildProcess, program: string, port: number): Promise<void> {
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-4_000);
    });
    (stream as unknown as { unref(): void }).unref();
  }
  child.unref();
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  await poll(`${program} takes connections`, 20_000, async () =>
    ended() || (await takesConnections(port)) ? true : undefined,
  );
  if (ended()) throw new Error(`${program} ended at its start:\n${log}`);
}

async function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/**
 * A configuration of `deploy/` with the test's addresses.
 * @throws {Error} if one of its own addresses is not in it
 */
export function readdress(text: string, addresses: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [theirs, ours] of Object.entries(addresses)) {
    if (!result.includes(theirs)) throw new Error(`the example has no ${theirs} in it`);
    result = result.replaceAll(theirs, ours);
  }
  return result;
}
