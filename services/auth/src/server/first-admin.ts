import { ConfigError } from "../config/error.ts";
import { AuthError } from "../domain/errors.ts";
import { createFirstAdmin } from "../domain/user/create-first-admin.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { passwordDeps } from "./password-deps.ts";
import type { Stores } from "./stores.ts";

/**
 * Creates the administrator of POSTERN_BOOTSTRAP_EMAIL, if there is none yet.
 * @returns whether it was created
 * @throws {ConfigError} if a user who is not an administrator has the address
 */
export async function createFirstAdminOf(config: ReadyConfig, stores: Stores): Promise<boolean> {
  if (config.bootstrap === undefined) return false;
  const { email, password } = config.bootstrap;
  // A password from the environment was checked with the configuration. A generated password may have any length.
  const passwordMinLength = Math.min(config.passwordMinLength, [...password].length);
  try {
    const outcome = await createFirstAdmin(
      { ...stores, ...passwordDeps({ passwordMinLength }) },
      { email, password, requestId: stores.newId(), signal: AbortSignal.timeout(30_000) },
    );
    return outcome === "created";
  } catch (error) {
    if (!(error instanceof AuthError) || error.reason !== "ALREADY_EXISTS") throw error;
    const message = `${error.message}; make this user an administrator with \`postern user set-roles\`, or set another address`;
    throw new ConfigError([{ setting: "POSTERN_BOOTSTRAP_EMAIL", message }]);
  }
}
