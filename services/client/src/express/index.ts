/** Middleware for Express, and for whatever else calls `(request, response, next)`. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { ownMember } from "../core/own-members.ts";
import { authenticateOptional, authenticateRequest, authorizationOf } from "../guard/authenticate-request.ts";
import { checkScopeNames, demandCaller, demandScope } from "../guard/demands.ts";
import { refusalOf } from "../guard/refusal.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";

declare global {
  namespace Express {
    interface Request {
      /** Who sends the request; undefined where nobody was authenticated. */
      caller?: VerifiedToken | undefined;
    }
  }
}

/** A request that may have passed a guard. */
export type GuardedRequest = IncomingMessage & { caller?: VerifiedToken | undefined };

export type Middleware = (
  request: GuardedRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** @throws {PosternError} `ERR_CREDENTIAL_MISSING` where nobody was authenticated, for whatever reason */
export function callerOf(request: { readonly caller?: VerifiedToken | undefined }): VerifiedToken {
  return demandCaller(ownMember(request, "caller"));
}

/** Lets in who shows a good access token, which is `request.caller` from then on; answers all others itself. */
export function requireAuth(verifier: Pick<Verifier, "verify">): Middleware {
  return guard(async (request) => {
    setCaller(request, await authenticateRequest(verifier, authorizationOf(request)));
  });
}

/** As {@link requireAuth}, and lets in who shows no credential. A bad one is refused all the same. */
export function optionalAuth(verifier: Pick<Verifier, "verify">): Middleware {
  return guard(async (request) => {
    setCaller(request, await authenticateOptional(verifier, authorizationOf(request)));
  });
}

/** Lets in whose token allows every one of these scopes; behind {@link requireAuth}. */
export function requireScope(...scope: readonly string[]): Middleware {
  checkScopeNames(scope);
  return guard(async (request) => demandScope(callerOf(request), ...scope));
}

/** Defined, not assigned: an assignment would call a setter on a prototype. */
function setCaller(request: GuardedRequest, value: VerifiedToken | undefined): void {
  Object.defineProperty(request, "caller", { value, configurable: true, enumerable: true, writable: true });
}

function guard(check: (request: GuardedRequest) => Promise<void>): Middleware {
  return (request, response, next) => {
    check(request).then(
      () => {
        if (!response.headersSent) next();
      },
      // Answered here: handed on, Express logs each with its stack, and whoever is refused could fill the log.
      (error) => {
        const refusal = refusalOf(error);
        if (refusal === undefined) next(error);
        // Somebody may have answered meanwhile, a time-out say.
        else if (!response.headersSent) refuse(response, refusal);
      },
    );
  };
}

function refuse(
  response: ServerResponse,
  { status, headers, body }: NonNullable<ReturnType<typeof refusalOf>>,
) {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  response.writeHead(status, { ...headers, "content-type": "application/json", "content-length": length });
  response.end(text);
}
