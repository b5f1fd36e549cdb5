import { allows, type Caller } from "../caller/caller.ts";
import { posternAudience } from "../caller/postern-audience.ts";
import { AuthError } from "../errors.ts";

/** Keeps an access token below the 8 KiB that its readers accept, for any number of roles. */
const maxRequestedCharacters = 2_000;

export interface GrantDeps {
  readonly issuer: string;
  /** The audience if neither the request nor the caller names one. */
  readonly defaultAudience: string | undefined;
}

export interface GrantRequest {
  readonly caller: Caller;
  /** Absent: the caller's own name. */
  readonly clientId: string | undefined;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
}

/** The client, audience and scope of a session. */
export interface RequestedGrant {
  readonly clientId: string;
  readonly audience: readonly string[];
  readonly scope: readonly string[];
}

/**
 * Resolves what the session is for, within what the caller may request.
 * @throws {AuthError} `NOT_PERMITTED`, `SCOPE_TOO_WIDE`, `INVALID_REQUEST`
 */
export function resolveRequestedGrant(
  deps: GrantDeps,
  { caller, clientId, audience, scope }: GrantRequest,
): RequestedGrant {
  const client = clientId ?? caller.name;
  if (!allows(caller.clients, client)) {
    throw new AuthError("NOT_PERMITTED", { message: "`client_id` is not one of the caller's clients" });
  }
  const audiences = audience.length > 0 ? audience : defaultAudiences(deps, caller);
  if (audiences.length === 0) {
    throw new AuthError("INVALID_REQUEST", { message: "name an `audience`: there is no default one" });
  }
  if (audiences.some((one) => !allows(caller.audiences, one))) {
    throw new AuthError("NOT_PERMITTED", {
      message: "`audience` contains one that the caller may not request",
    });
  }
  if (scope.some((one) => !allows(caller.scopes, one))) throw new AuthError("SCOPE_TOO_WIDE");
  if ([...audiences, ...scope].join(" ").length > maxRequestedCharacters) {
    throw new AuthError("INVALID_REQUEST", {
      message: `\`audience\` and \`scope\` together are longer than ${maxRequestedCharacters} characters`,
    });
  }
  return { clientId: client, audience: audiences, scope };
}

/** Postern's own audience gives access to Postern itself, so it is never a default. */
function defaultAudiences({ issuer, defaultAudience }: GrantDeps, { audiences }: Caller): string[] {
  const own = [...audiences].filter((one) => one !== "*");
  const common = defaultAudience !== undefined && allows(audiences, defaultAudience) ? [defaultAudience] : [];
  return (own.length > 0 ? own : common).filter((one) => one !== posternAudience(issuer));
}
