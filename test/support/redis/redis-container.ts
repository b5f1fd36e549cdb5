import { dirname } from "node:path";
import { GenericContainer, Wait } from "testcontainers";
import type { RedisHost } from "./redis-host.ts";

const IMAGE = "redis:7-bookworm";
/** The image's folder for data. */
const FOLDER = "/data";

/**
 * One container for all servers, so that they reach each other at the addresses that tests reach them at.
 * testcontainers' reaper removes it if this process is killed.
 */
export async function openContainerHost(ports: readonly number[]): Promise<RedisHost> {
  const container = await new LoopbackContainer(IMAGE)
    .withExposedPorts(...ports.map((port) => ({ container: port, host: port })))
    .withCommand(["sh", "-c", "echo started; exec sleep infinity"])
    .withWaitStrategy(Wait.forLogMessage("started"))
    .start();
  async function run(script: string, ...parameters: string[]): Promise<string> {
    const { exitCode, stdout, output } = await container.exec(["sh", "-c", script, "sh", ...parameters]);
    if (exitCode !== 0) throw new Error(`in the container of Redis a script failed: ${output}`);
    return stdout;
  }
  return {
    // What is published comes in at the container's outer address.
    ports,
    run,
    folder: FOLDER,
    bind: "0.0.0.0",
    async write(path, content) {
      const target = `${FOLDER}/${path}`;
      await run('mkdir -p "$1"', dirname(target));
      await container.copyContentToContainer([{ content, target, mode: 0o600 }]);
    },
    async [Symbol.asyncDispose]() {
      await container.stop();
    },
  };
}

/** Publishes its ports on 127.0.0.1 only, because the servers have no password. */
class LoopbackContainer extends GenericContainer {
  protected override async beforeContainerCreated(): Promise<void> {
    const published: Record<string, { HostIp?: string }[]> = this.hostConfig.PortBindings ?? {};
    for (const binding of Object.values(published).flat()) binding.HostIp = "127.0.0.1";
  }
}
