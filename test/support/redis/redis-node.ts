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
   * Sends one command over the test's own administrator connection, which is opened again if necessary.
   * @throws {Error} if Redis answers with an error, or does not answer
   */
  command(...words: (string | number)[]): Promise<unknown>;
  /** SIGKILL; resolves when it is gone. */
  kill9(): Promise<void>;
  /** Suspends it: connections stay open and nothing answers; input waits for `thaw`. */
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
  /** Commands that it gets after every start. */
  readonly commands?: readonly (readonly string[])[];
}

/** Opens a place for servers with so many ports: this machine if Redis is installed, else a container. */
export async function openRedisHost(count: number): Promise<RedisHost> {
  const ports = await takePorts(count);
  return (await isRedisInstalled()) ? openLocalHost(ports) : openContainerHost(ports);
}

/** Starts a program in the folder $1 and a new session, and prints its PID. */
const START = 'cd "$1" && shift && { setsid "$@" >>log 2>&1 </dev/null & echo "$!"; }';
/** Sends signal $3 to the process $1 if it is still the one in the folder $2; prints whether it is. */
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
      // If another process has taken the port in the meantime, it answers instead.
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
