import { poll } from "../poll.ts";
import { connectTo, type RedisAddress } from "./redis-connection.ts";
import { openContainerHost } from "./redis-container.ts";
import type { RedisHost } from "./redis-host.ts";
import { isRedisInstalled, openLocalHost } from "./redis-local.ts";
import { takePorts } from "./redis-ports.ts";

/** One process of Redis, listening on 127.0.0.1 only. */
export interface RedisNode {
  readonly port: number;
  /** With credentials, where clients need them. */
  readonly url: string;
  /**
   * Sends one command over an administrator's connection of the test's own, opened anew if need be.
   * @throws what Redis answers as an error; if nobody answers
   */
  command(...words: (string | number)[]): Promise<unknown>;
  /** SIGKILL; resolves when it is gone. */
  kill9(): Promise<void>;
  /** Stops it where it stands: connections stay open and nothing answers; what comes in waits for `thaw`. */
  freeze(): Promise<void>;
  /** Ends `freeze`. */
  thaw(): Promise<void>;
  /** Starts it on the same port and data; ends it in good order first if it runs. */
  restart(): Promise<void>;
}

/** A node whose connection can be closed. */
interface OwnedNode extends RedisNode, Disposable {}

export interface NodeOptions {
  /** `redis-server` by default. */
  readonly program?: "redis-server" | "redis-sentinel";
  readonly url?: string;
  /** The lines of its configuration that are not every node's. */
  readonly config: readonly string[];
  /** How the administrator's connection comes in. */
  readonly address: RedisAddress;
  /** What it is told after every start. */
  readonly commands?: readonly (readonly string[])[];
}

/** Opens a place for servers with so many ports: this machine if Redis is installed, else a container. */
export async function openRedisHost(count: number): Promise<RedisHost> {
  const ports = await takePorts(count);
  return (await isRedisInstalled()) ? openLocalHost(ports) : openContainerHost(ports);
}

/** Starts a program in the folder $1 and a session of its own, and tells its process's id. */
const START = 'cd "$1" && shift && { setsid "$@" >>log 2>&1 </dev/null & echo "$!"; }';
/** Signals $3 to the process $1 if it still is the one that works in the folder $2; tells whether it is. */
const SIGNAL = 'if [ "$(readlink "/proc/$1/cwd")" = "$2" ] && kill -s "$3" "$1"; then echo sent; fi';

/** Starts a server, and resolves once it answers. */
export async function startNode(host: RedisHost, options: NodeOptions): Promise<OwnedNode> {
  const { program = "redis-server", address, config, commands = [] } = options;
  const { port } = address;
  const url = options.url ?? `redis://127.0.0.1:${port}`;
  const folder = `${host.folder}/${port}`;
  const connection = connectTo(address);
  const { command } = connection;
  let pid = "";

  async function send(signal: string): Promise<boolean> {
    return (await host.run(SIGNAL, pid, folder, signal)) !== "";
  }
  async function gone(): Promise<void> {
    await poll(`${program} ${pid} is gone`, 20_000, async () => ((await send("0")) ? undefined : true));
    connection.close();
  }
  async function sendToRunning(signal: string): Promise<void> {
    if (!(await send(signal))) throw new Error(`${program} is not running`);
  }
  async function start(): Promise<void> {
    pid = (await host.run(START, folder, program, "redis.conf")).trim();
    const answers = await poll(`${program} ${pid} answers`, 20_000, async () => {
      if (!(await send("0"))) return false;
      const info = String(await command("INFO"));
      // On a port that somebody else took in between, it is not ours that answers.
      return info.includes(`process_id:${pid}\r`) && !info.includes("loading:1\r") ? true : undefined;
    });
    if (!answers) {
      throw new Error(`${program} ended at its start:\n${await host.run('tail "$1/log"', folder)}`);
    }
    for (const words of commands) await command(...words);
  }

  const lines = [`bind ${host.bind}`, "protected-mode no", ...config, ""];
  await host.write(`${port}/redis.conf`, lines.join("\n"));
  await start();
  return {
    port,
    url,
    command,
    async kill9() {
      if (await send("KILL")) await gone();
    },
    freeze: () => sendToRunning("STOP"),
    thaw: () => sendToRunning("CONT"),
    async restart() {
      if ((await send("CONT")) && (await send("TERM"))) await gone();
      await start();
    },
    [Symbol.dispose]: connection.close,
  };
}
