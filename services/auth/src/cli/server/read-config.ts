import { type Config, parseConfig } from "../../config/config.ts";
import { type RawSettings, readEnv } from "../../config/env.ts";
import type { Io } from "../io.ts";

/**
 * Reads the configuration from the environment of the command; warnings go to stderr.
 * @throws {ConfigError}
 */
export function readConfig(
  io: Io,
  options: { readonly embedded: boolean },
): { raw: RawSettings; config: Config } {
  const raw = readEnv(io.env);
  for (const warning of raw.warnings) io.stderr.write(`warning: ${warning}\n`);
  return { raw, config: parseConfig(raw, options) };
}
