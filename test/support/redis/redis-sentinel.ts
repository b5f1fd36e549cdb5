import { poll } from "../poll.ts";
import { type NodeOptions, openRedisHost, type RedisNode, startNode } from "./redis-node.ts";

/** Three Sentinels over a master and its copy. */
export interface RedisSentinel extends AsyncDisposable {
  /** `redis+sentinel://`, the addresses of the Sentinels, and what they call the master. */
  readonly url: string;
  /** Master and copy as they were at the start, in this order. */
  readonly nodes: readonly RedisNode[];
  readonly sentinels: readonly RedisNode[];
  /** The node that all Sentinels which answer, two at least, call the master; waits until they agree on one. */
  master(): Promise<RedisNode>;
  /**
   * Freezes the copy and drops its link to the master: what the master takes from now on, the copy lacks after
   * its `thaw`, until it has found the master again. Resolves to the copy.
   */
  cutCopy(): Promise<RedisNode>;
  /**
   * Makes the copy the master, whether or not the old one lives; resolves when the Sentinels agree on it.
   * What the copy had missed is lost, also what the old master still accepts until it is demoted.
   */
  failover(): Promise<void>;
}

const NAME = "postern";

/** In milliseconds; by default they notice changes after many seconds, and a busy machine takes them out for 30. */
const PERIODS = { "info-period": 500, "publish-period": 500, "tilt-trigger": 60_000 };

/**
 * Starts Redis with Sentinel; resolves once the copy is in step and every Sentinel knows of everyone. They replace
 * a master that has not answered for a second, also if the copy has missed writes.
 */
export async function startSentinel(): Promise<RedisSentinel> {
  await using owned = new AsyncDisposableStack();
  const host = owned.use(await openRedisHost(5));
  async function start(options: NodeOptions): Promise<RedisNode> {
    return owned.use(await startNode(host, options));
  }
  const [first = 0, second = 0, ...others] = host.ports;
  const nodes = await Promise.all([
    start(serverOptions(first)),
    start(serverOptions(second, `replicaof 127.0.0.1 ${first}`)),
  ]);
  const sentinels = await Promise.all(others.map((port) => start(sentinelOptions(port, first))));
  await poll("the Sentinels know of everyone", 30_000, async () =>
    (await Promise.all(sentinels.map(knowsAll))).every(Boolean) ? true : undefined,
  );

  async function agreed(): Promise<RedisNode | undefined> {
    const result = await Promise.allSettled(
      sentinels.map((one) => one.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)),
    );
    const ports = result
      .filter((one) => one.status === "fulfilled")
      .map(({ value }) => (value as string[])[1]);
    if (ports.length < 2 || new Set(ports).size > 1) return undefined;
    return nodes.find(({ port }) => String(port) === ports[0]);
  }
  const master = () => poll("the Sentinels agree on a master", 30_000, agreed);
  const all = owned.move();
  return {
    url: `redis+sentinel://${others.map((port) => `127.0.0.1:${port}`).join(",")}/${NAME}`,
    nodes,
    sentinels,
    master,
    async cutCopy() {
      const current = await master();
      const copy = nodes.find((node) => node !== current);
      if (copy === undefined) throw new Error("there is no copy");
      await copy.freeze();
      // By itself, freezing loses nothing: what is sent meanwhile waits in the socket.
      const dropped = await current.command("CLIENT", "KILL", "TYPE", "replica");
      if (dropped !== 1) throw new Error(`the master had ${dropped} copies, and not one`);
      return copy;
    },
    async failover() {
      const old = await master();
      let begun = false;
      await poll("the Sentinels agree on another master", 60_000, async () => {
        const now = await agreed();
        if (now !== undefined && now !== old) return true;
        if (!begun) begun = await beginFailover(sentinels);
        return undefined;
      });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function serverOptions(port: number, ...more: readonly string[]): NodeOptions {
  const config = [`port ${port}`, 'save ""', "repl-diskless-sync-delay 0", ...more];
  return { config, address: { port } };
}

function sentinelOptions(port: number, master: number): NodeOptions {
  return {
    program: "redis-sentinel",
    address: { port },
    config: [
      `port ${port}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${master} 2`,
      `sentinel down-after-milliseconds ${NAME} 1000`,
      `sentinel failover-timeout ${NAME} 3000`,
    ],
    commands: [["SENTINEL", "DEBUG", ...Object.entries(PERIODS).flat().map(String)]],
  };
}

async function knowsAll(sentinel: RedisNode): Promise<boolean> {
  const master = fields(await sentinel.command("SENTINEL", "MASTER", NAME));
  const counts = [master["num-slaves"], master["num-other-sentinels"]];
  const copy = await copyInView(sentinel);
  return counts.join() === "1,2" && master["flags"] === "master" && copy["master-link-status"] === "ok";
}

/** What a Sentinel knows of the copy; nothing where it knows of none that is up and is one by its own word. */
async function copyInView(sentinel: RedisNode): Promise<Readonly<Record<string, string>>> {
  const [found = []] = (await sentinel.command("SENTINEL", "REPLICAS", NAME)) as unknown[];
  const copy = fields(found);
  return copy["flags"] === "slave" && copy["role-reported"] === "slave" ? copy : {};
}

/** Redis's answer of names and values in turn. */
function fields(answer: unknown): Readonly<Record<string, string>> {
  const words = answer as string[];
  return Object.fromEntries(
    words.flatMap((name, index) => (index % 2 === 0 ? [[name, words[index + 1] ?? ""]] : [])),
  );
}

/** Resolves to whether one was begun; else one is under way, or the copy is not fit yet. */
async function beginFailover(sentinels: readonly RedisNode[]): Promise<boolean> {
  const views = await Promise.allSettled(sentinels.map(copyInView));
  // A Sentinel that still takes the last master for one makes it a copy in a moment, also if it is the master again.
  if (views.some((view) => view.status === "fulfilled" && view.value["flags"] === undefined)) return false;
  const living = sentinels.find((_, index) => views[index]?.status === "fulfilled");
  const answer = await living?.command("SENTINEL", "FAILOVER", NAME).catch(() => undefined);
  return answer === "OK";
}
