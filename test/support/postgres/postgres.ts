import { containerEngine, startContainer } from "./postgres-container.ts";
import { startLocal } from "./postgres-local.ts";
import type { PostgresServer } from "./postgres-server.ts";

export type { PostgresServer };

export interface PostgresOptions {
  /** Survive `kill9` as on a real machine (fsync on); slower, so for fault tests only. */
  readonly durable?: boolean;
  /** Postgres's `max_connections`; 200 by default. */
  readonly maxConnections?: number;
}

/**
 * Starts a real Postgres: in a container where an engine answers, else from Debian's packages.
 * It ends with the process that started it, even if that is killed.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const durability = options.durable ? "on" : "off";
  const settings = {
    fsync: durability,
    synchronous_commit: durability,
    full_page_writes: durability,
    max_connections: String(options.maxConnections ?? 200),
  };
  const engine = await containerEngine();
  return engine ? await startContainer(engine, settings) : await startLocal(settings);
}
