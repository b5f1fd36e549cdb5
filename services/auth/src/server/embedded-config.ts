import type { Config } from "../config/config.ts";
import { permissions } from "../domain/caller/permission.ts";
import type { SecretToken } from "../domain/ports/secret-token-directory.ts";
import type { Embedded } from "../embedded/embedded.ts";
import { sha256Of } from "../lib/sha256.ts";

/** A configuration with all that a server needs: its database, and a key to seal with. */
export interface ReadyConfig extends Config {
  readonly databaseUrl: string;
}

/** Name of the caller that shows the secret token made for the embedded default. */
const embeddedCaller = "embedded";

/**
 * The configuration with what the embedded database brings: its URL, and the secrets made for it where the
 * environment gives none. Its secret token, with every right, stands beside those of the environment.
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
