import type { Caller } from "../caller/caller.ts";
import { posternAudience } from "../caller/postern-audience.ts";
import { AuthError } from "../errors.ts";
import type { SecretTokenDirectory } from "../ports/secret-token-directory.ts";
import { type CheckDeps, checkAccessToken } from "../revocation/check-access-token.ts";
import { classify } from "../token/classify.ts";

export interface AuthenticateDeps extends CheckDeps {
  readonly secretTokens: SecretTokenDirectory;
}

/** RFC 6750 section 2.1, except for the alphabet: a secret token may be any string. */
const bearer = /^bearer +(\S.*)$/i;

/**
 * Authenticates a caller: a service by its secret token, or an administrator by an access token for Postern's own audience.
 * @param authorization the header's value
 * @throws AuthError `INVALID_CLIENT`
 */
export async function authenticate(deps: AuthenticateDeps, authorization: string | null): Promise<Caller> {
  const credential = bearer.exec(authorization ?? "")?.[1];
  if (credential === undefined) throw new AuthError("INVALID_CLIENT");
  const service = deps.secretTokens.find(credential);
  if (service !== undefined) return service;
  if (classify(credential) !== "access") throw wrong();
  const claims = await checkAccessToken(deps, credential);
  if (claims === undefined || !claims.aud.includes(posternAudience(deps.issuer))) throw wrong();
  return {
    name: claims.sub,
    permissions: new Set(claims.roles?.includes("admin") === true ? ["admin" as const] : []),
    scopes: new Set(),
    audiences: new Set(),
    clients: new Set(),
    trustedAddress: false,
  };
}

function wrong(): AuthError {
  return new AuthError("INVALID_CLIENT", { message: "the caller's credential is not valid" });
}
