import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { startCluster } from "../support/redis/redis.ts";
import { childEnv } from "../support/servers/child-env.ts";

const CLIENT = `${import.meta.dirname}/../../services/auth/src/store/redis/redis-client.ts`;

/** Connects, prints `ready`, and disconnects while a lookup of the slots waits for a frozen node. */
const script = `
import { connectRedis } from ${JSON.stringify(CLIENT)};
const hosts = process.env.PORTS.split(",").map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const client = connectRedis({ mode: "cluster", hosts, tls: false, db: 0 }, "test");
client.on("error", () => {});
client.once("ready", () => console.log("ready"));
// The lookup failed on one node, and continues with the next.
client.once("node error", () => client.disconnect());
`;

test("a process ends if it disconnects from a frozen Cluster during a lookup of the slots", async () => {
  await using cluster = await startCluster();
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: childEnv({ PORTS: cluster.nodes.map(({ port }) => port).join(",") }),
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const exit = once(child, "exit");
    await once(createInterface(child.stdout), "line");
    await Promise.all(cluster.nodes.map((node) => node.freeze()));
    expect(await exit).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await Promise.all(cluster.nodes.map((node) => node.thaw()));
  }
});
