import { randomBytes } from "node:crypto";
import type { Config } from "../config.ts";
import type { Context } from "../context.ts";
import type { ReadyConfig } from "../embedded-config.ts";
import { CommandError } from "./command.ts";
import type { Io } from "./io.ts";
import { readConfig } from "./read-config.ts";

interface Options {
  /** Act on the embedded database in the data folder, also while a server runs on it. */
  readonly embedded: boolean;
}

/**
 * Gives `work` the configuration with a database to act on; the embedded one is there for as long as it runs.
 * @throws {ConfigError}, {CommandError} where the embedded database cannot be used
 */
export async function withDatabase<T>(
  io: Io,
  { embedded }: Options,
  work: (config: ReadyConfig) => Promise<T>,
): Promise<T> {
  const { config } = readConfig(io, { embedded });
  if (!embedded) return work(requireDatabase(config));
  // Loaded only here: most commands, and every --help, need none of it.
  const [{ openEmbedded, EmbeddedError }, { withEmbedded }, { newSecretToken }] = await Promise.all([
    import("../embedded/embedded.ts"),
    import("../embedded-config.ts"),
    import("../../domain/keys/secret-token.ts"),
  ]);
  try {
    await using database = await openEmbedded({
      dataDir: config.dataDir,
      newSecretToken: () => newSecretToken(randomBytes),
    });
    return await work(withEmbedded(config, database));
  } catch (error) {
    if (error instanceof EmbeddedError) throw new CommandError(error.message, { cause: error });
    throw error;
  }
}

/** Gives `work` the stores, and closes them after it. */
export function withContext<T>(
  io: Io,
  options: Options,
  work: (context: Context, config: ReadyConfig) => Promise<T>,
): Promise<T> {
  return withDatabase(io, options, async (config) => {
    const { openContext } = await import("../context.ts");
    await using context = openContext(config);
    return await work(context, config);
  });
}

export function requireDatabase(config: Config): ReadyConfig {
  const { databaseUrl } = config;
  if (databaseUrl === undefined) throw new TypeError("a configuration that is not embedded has a database");
  return { ...config, databaseUrl };
}
