import type { Config } from "../config/config.ts";
import { permissions } from "../domain/caller/permission.ts";
import type { SecretToken } from "../domain/ports/secret-token-directory.ts";
import type { Embedded } from "../embedded/embedded.ts";
import { sha256Of } from "../lib/sha256.ts";

/** A configuration that is complete for a server: with a database, and a master key. */
export interface ReadyConfig extends Config {
  readonly databaseUrl: string;
}

/** Caller name of the secret token that is made for the embedded database. */
const embeddedCaller = "embedded";

/**
 * Adds the URL of the embedded database, and its secrets if the environment has none. Its secret token, with every
 * permission, is added to those of the environment.
 */
export function withEmbedded(
  config: Config,
  { databaseUrl, secrets }: Pick<Embedded, "databaseUrl" | "secrets">,
): ReadyConfig {
  const madeKey = new Uint8Array(Buffer.from(secrets.masterKey, "base64"));
  return {
    ...config,
    databaseUrl,
    masterKeys: config.masterKeys.length > 0 ? config.masterKeys : [madeKey],
    secretTokens: [...config.secretTokens, allRights(secrets.secretToken)],
    bootstrap: config.bootstrap ?? { email: secrets.adminEmail, password: secrets.adminPassword },
  };
}

function allRights(token: string): SecretToken {
  const everything = new Set(["*"]);
  const caller = {
    name: embeddedCaller,
    permissions: new Set(permissions),
    scopes: everything,
    audiences: everything,
    clients: everything,
    trustedAddress: true,
  };
  return { name: embeddedCaller, sha256: sha256Of(token), caller };
}
