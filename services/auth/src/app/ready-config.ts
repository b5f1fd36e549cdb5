import type { Config } from "./config.ts";

/** A configuration whose database is known: from the environment, or the embedded one that was started. */
export interface ReadyConfig extends Config {
  readonly databaseUrl: string;
}

export function toReadyConfig(config: Config): ReadyConfig {
  const { databaseUrl } = config;
  if (databaseUrl === undefined) throw new Error("the embedded database was not started");
  return { ...config, databaseUrl };
}
