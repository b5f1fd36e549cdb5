import { poll } from "../poll.ts";
import { openRedisHost, type RedisNode, startNode } from "./redis-node.ts";

/** Three masters with a third of the slots each, and a copy of each. */
export interface RedisCluster extends AsyncDisposable {
  /** `redis+cluster://` and the addresses of all nodes. */
  readonly url: string;
  /** At the start, the masters and then their copies in the same order. */
  readonly nodes: readonly RedisNode[];
  /** Those that hold slots, as the first node to answer sees it; waits until one says that all slots are held. */
  masters(): Promise<readonly RedisNode[]>;
}

const SLOTS = 16_384;
const MASTERS = 3;

/**
 * Starts a Redis Cluster; resolves once every node knows of every other and the copies are in step. A copy takes
 * the place of a master that has not answered for two seconds.
 */
export async function startCluster(): Promise<RedisCluster> {
  await using owned = new AsyncDisposableStack();
  const host = owned.use(await openRedisHost(4 * MASTERS));
  const ports = host.ports.slice(0, 2 * MASTERS);
  const busPorts = host.ports.slice(2 * MASTERS);
  const nodes: readonly RedisNode[] = await Promise.all(
    ports.map(async (port, index) => {
      const config = [`port ${port}`, `cluster-port ${busPorts[index]}`, 'save ""', ...CONFIG];
      return owned.use(await startNode(host, { address: { port }, config }));
    }),
  );
  await assemble(nodes, busPorts);

  async function masters(): Promise<readonly RedisNode[]> {
    let isTold = false;
    // Each by itself: one that is frozen must not keep the others waiting.
    const views = nodes.map((node) =>
      poll("all slots are held", 30_000, async () => (isTold ? [] : completeView(node))),
    );
    const view = await Promise.any(views);
    isTold = true;
    return nodes.filter(({ port }) => view.some((one) => one.port === port && one.hasSlots));
  }
  const all = owned.move();
  return {
    url: `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(",")}`,
    nodes,
    masters,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

const CONFIG = [
  "cluster-enabled yes",
  "cluster-node-timeout 2000",
  // However long the copy has been out of step.
  "cluster-replica-validity-factor 0",
  "cluster-allow-replica-migration no",
  "repl-diskless-sync-delay 0",
];

async function assemble(nodes: readonly RedisNode[], busPorts: readonly number[]): Promise<void> {
  const [masters, copies] = [nodes.slice(0, MASTERS), nodes.slice(MASTERS)];
  const bounds = masters.map((_, index) => Math.round((index * SLOTS) / MASTERS));
  await Promise.all(nodes.map((node, index) => node.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)));
  await Promise.all(
    masters.map((node, index) =>
      node.command("CLUSTER", "ADDSLOTSRANGE", bounds[index] ?? 0, (bounds[index + 1] ?? SLOTS) - 1),
    ),
  );
  for (const [index, { port }] of nodes.entries().drop(1)) {
    await nodes[0]?.command("CLUSTER", "MEET", "127.0.0.1", port, busPorts[index] ?? 0);
  }
  await Promise.all(
    copies.map(async (copy, index) => {
      const id = String(await masters[index]?.command("CLUSTER", "MYID"));
      // A node that has not heard of the master yet answers with an error.
      await poll("a copy knows its master", 30_000, () => copy.command("CLUSTER", "REPLICATE", id));
    }),
  );
  await poll("every node sees the whole Cluster", 30_000, async () => {
    const views = await Promise.all(nodes.map(completeView));
    const roles = await Promise.all(copies.map((copy) => copy.command("ROLE")));
    const inStep = roles.every((role) => (role as unknown[])[3] === "connected");
    const known = views.every((view) => view.filter((one) => one.isCopy).length === copies.length);
    return inStep && known ? true : undefined;
  });
}

interface Member {
  readonly port: number;
  readonly isCopy: boolean;
  readonly hasSlots: boolean;
}

/**
 * The Cluster as one node sees it.
 * @throws {Error} if that node knows a slot without a node
 */
async function completeView(node: RedisNode): Promise<Member[]> {
  const info = String(await node.command("CLUSTER", "INFO"));
  if (!info.includes("cluster_state:ok")) throw new Error(info);
  const lines = String(await node.command("CLUSTER", "NODES"))
    .trim()
    .split("\n");
  return lines.map((line) => {
    // id, host:port@bus, flags, master, ping, pong, epoch, link, slots
    const [, address = "", flags = "", , , , , , ...slots] = line.split(" ");
    const port = Number(/:(\d+)/.exec(address)?.[1]);
    return { port, isCopy: flags.includes("slave"), hasSlots: slots.length > 0 };
  });
}
