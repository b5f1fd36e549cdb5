// A process with a Redis of every kind, for a test to kill. It prints their ports on stdout, and the folder they
// work in, in one line of JSON.
import { startCluster, startRedis, startSentinel } from "./redis.ts";

const [server, sentinel, cluster] = await Promise.all([
  startRedis({ tls: true }),
  startSentinel(),
  startCluster(),
]);
const all = [server, ...sentinel.nodes, ...sentinel.sentinels, ...cluster.nodes];
const ports = all.map(({ port }) => port);
const [, folder] = (await server.command("CONFIG", "GET", "dir")) as string[];
process.stdout.write(`${JSON.stringify({ ports, folder })}\n`);
// Until it is killed.
process.stdin.resume();
