import { randomBytes } from "node:crypto";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../config/config.ts";
import { ConfigError } from "../../config/error.ts";
import { EmbeddedError } from "../../embedded/embedded-error.ts";
import type { ReadyConfig } from "../../server/embedded-config.ts";
import { describeFault, innermost, lastingFault, UnknownSchemaError } from "../../server/schema.ts";
import type { Stores } from "../../server/stores.ts";
import { CommandError } from "../command.ts";
import type { Io } from "../io.ts";
import { readConfig } from "./read-config.ts";

/** Options of the stores for a command: it waits longer for the database than a call, and hashes at most one password. */
const storesOptions = { timeoutMs: 10_000, hashWorkers: 1 };

interface Options {
  /** Use the embedded database in the data folder, also while a server runs on it. */
  readonly embedded: boolean;
}

/**
 * Gives `work` the configuration with a database. An embedded database runs during the work.
 * @throws {ConfigError}, {CommandError} if the embedded database cannot be used
 */
export async function withDatabase<T>(
  io: Io,
  { embedded, mustExist = false }: Options & { readonly mustExist?: boolean },
  work: (config: ReadyConfig) => Promise<T>,
): Promise<T> {
  const { config } = readConfig(io, { embedded });
  if (!embedded) return work(requireDatabase(config));
  if (mustExist) await demandEmbedded(config.dataDir);
  // Loaded only here: most commands, and every --help, do not need it.
  const [{ openEmbedded }, { withEmbedded }, { newSecretToken }] = await Promise.all([
    import("../../embedded/embedded.ts"),
    import("../../server/embedded-config.ts"),
    import("../../domain/token/secret-token.ts"),
  ]);
  return reportEmbeddedErrors(async () => {
    await using database = await openEmbedded({
      dataDir: config.dataDir,
      newSecretToken: () => newSecretToken(randomBytes),
    });
    return await work(withEmbedded(config, database));
  });
}

/** A command must not create a new database in a mistyped folder. */
async function demandEmbedded(dataDir: string): Promise<void> {
  try {
    await access(join(dataDir, "database"));
  } catch (error) {
    throw new CommandError(
      `there is no embedded database in ${dataDir}: POSTERN_DATA_DIR names its folder, and \`postern serve --embedded\` makes it`,
      { cause: error },
    );
  }
}

/**
 * Runs `work`. A problem of the embedded database that an operator must fix is an expected error.
 * @throws {CommandError}
 */
export async function reportEmbeddedErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EmbeddedError) throw new CommandError(error.message, { cause: error });
    throw error;
  }
}

/**
 * Gives `work` the stores, and closes them afterwards.
 * @throws {CommandError} if the schema is too old or the database cannot be reached
 */
export function withStores<T>(
  io: Io,
  options: Options,
  work: (stores: Stores, config: ReadyConfig) => Promise<T>,
): Promise<T> {
  return withDatabase(io, { ...options, mustExist: true }, async (config) => {
    const [{ openStores }, { checkSchema }] = await Promise.all([
      import("../../server/stores.ts"),
      import("../../server/schema.ts"),
    ]);
    await reportDatabaseFaults(() => checkSchema(config.databaseUrl), options);
    await using stores = openStores(config, storesOptions);
    return await work(stores, config);
  });
}

/**
 * Runs `work` and reports faults of the database or of the connection to it.
 * @throws {ConfigError} if only a change of the URL or of the database's configuration helps
 * @throws {CommandError}
 */
export async function reportDatabaseFaults<T>(work: () => Promise<T>, { embedded }: Options): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const lasting = lastingConfigError(error, embedded);
    if (lasting !== undefined) throw lasting;
    const fault = innermost(error);
    if (!(fault instanceof Error)) throw error;
    const text =
      fault.name === "SchemaError"
        ? fault.message.replace("`postern migrate`", embedded ? "`postern migrate --embedded`" : "$&")
        : `the database cannot be used: ${describeFault(fault) ?? fault.message}${embedded ? "" : hintFor(fault)}`;
    throw new CommandError(text, { cause: error });
  }
}

/** Names the setting to change, if only another database, or a change of the database's configuration, helps. */
export function lastingConfigError(error: unknown, embedded: boolean): ConfigError | undefined {
  const message = lastingFault(error);
  if (message === undefined) return undefined;
  if (!embedded) return new ConfigError([{ setting: "POSTERN_DATABASE_URL", message }]);
  // The only problem of an embedded database that is not an internal error.
  if (!(innermost(error) instanceof UnknownSchemaError)) return undefined;
  return new ConfigError([{ setting: "POSTERN_DATA_DIR", message }]);
}

function hintFor(fault: Error): string {
  const code = "code" in fault ? String(fault.code) : "";
  return /^E[A-Z]+$/.test(code) ? "; check that it runs at the address in POSTERN_DATABASE_URL" : "";
}

/** The configuration of a server or command without an embedded database. */
export function requireDatabase(config: Config): ReadyConfig {
  const { databaseUrl } = config;
  if (databaseUrl === undefined) throw new TypeError("a configuration that is not embedded has a database");
  return { ...config, databaseUrl };
}
