import { randomBytes } from "node:crypto";
import {
  type ContainerRuntimeClient,
  GenericContainer,
  getContainerRuntimeClient,
  Wait,
} from "testcontainers";
import { freePort } from "../ports.ts";
import { answers } from "./postgres-answers.ts";
import type { PostgresServer } from "./postgres-server.ts";

const IMAGE = "postgres:17-bookworm";

let engine: Promise<ContainerRuntimeClient | undefined> | undefined;

/** The container engine of this machine, if one answers; asked once a process. */
export function containerEngine(): Promise<ContainerRuntimeClient | undefined> {
  engine ??= getContainerRuntimeClient().catch(() => undefined);
  return engine;
}

/** Starts Postgres in a container; testcontainers' reaper removes it if this process is killed. */
export async function startContainer(
  client: ContainerRuntimeClient,
  settings: Readonly<Record<string, string>>,
): Promise<PostgresServer> {
  const password = randomBytes(16).toString("hex");
  const port = await freePort();
  const started = await new GenericContainer(IMAGE)
    .withEnvironment({ POSTGRES_PASSWORD: password })
    .withExposedPorts({ container: 5432, host: port })
    .withCommand([
      "postgres",
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ])
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  const url = `postgres://postgres:${password}@${started.getHost()}:${port}/postgres`;
  const container = client.container.getById(started.getId());
  await answers(url);
  async function state() {
    return (await container.inspect()).State;
  }
  const server: PostgresServer = {
    url,
    pid: undefined,
    async kill9() {
      if (!(await state()).Running) return;
      await container.kill({ signal: "SIGKILL" });
      await container.wait();
    },
    async freeze() {
      await container.pause();
    },
    async thaw() {
      await container.unpause();
    },
    async restart() {
      const { Running, Paused } = await state();
      if (Paused) await server.thaw();
      if (Running) {
        await container.kill({ signal: "SIGINT" });
        await container.wait();
      }
      await container.start();
      await answers(url);
    },
    async stop() {
      if ((await state()).Paused) await server.thaw();
      await started.stop();
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
  return server;
}
