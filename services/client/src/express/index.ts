/** Middleware for Express and compatible servers, which call `(request, response, next)`. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { ownMember } from "../core/own-members.ts";
import { authenticateOptional, authenticateRequest, authorizationOf } from "../guard/authenticate-request.ts";
import { checkScopeNames, demandCaller, demandScope } from "../guard/demands.ts";
import { refusalOf } from "../guard/refusal.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";

declare global {
  namespace Express {
    interface Request {
      /** The authenticated caller; `undefined` if there is none. */
      caller?: VerifiedToken | undefined;
    }
  }
}

/** A request that a guard has seen or will see. */
export type GuardedRequest = IncomingMessage & { caller?: VerifiedToken | undefined };

/** Middleware of Express: calls `next` if the request may continue, and answers it otherwise. */
export type Middleware = (
  request: GuardedRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Returns the authenticated caller of a request.
 *
 * @throws {PosternError} `ERR_CREDENTIAL_MISSING` if the request has none: no guard ran, or it had no credential
 * @example
 * ```ts
 * import { callerOf } from "@postern/client/express";
 * import express from "express";
 *
 * const app = express();
 * app.get("/me", (request, response) => {
 *   response.json({ subject: callerOf(request).subject });
 * });
 * ```
 */
export function callerOf(request: { readonly caller?: VerifiedToken | undefined }): VerifiedToken {
  return demandCaller(ownMember(request, "caller"));
}

/**
 * Creates middleware that admits requests with a valid access token and sets `request.caller`. It answers all other
 * requests itself, with 401 or 503 (RFC 6750 section 3).
 *
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 * import { requireAuth } from "@postern/client/express";
 * import express from "express";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * const app = express();
 * app.use(requireAuth(verifier));
 * ```
 */
export function requireAuth(verifier: Pick<Verifier, "verify">): Middleware {
  return guard(async (request) => {
    setCaller(request, await authenticateRequest(verifier, authorizationOf(request)));
  });
}

/**
 * Creates middleware like {@link requireAuth} that also admits requests without a credential. An invalid credential is
 * refused.
 *
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 * import { optionalAuth } from "@postern/client/express";
 * import express from "express";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * const app = express();
 * app.get("/", optionalAuth(verifier), (request, response) => {
 *   response.send(`Hello, ${request.caller?.subject ?? "guest"}`);
 * });
 * ```
 */
export function optionalAuth(verifier: Pick<Verifier, "verify">): Middleware {
  return guard(async (request) => {
    setCaller(request, await authenticateOptional(verifier, authorizationOf(request)));
  });
}

/**
 * Creates middleware that admits callers whose token has all of these scopes, and answers others with 403. It must run
 * after {@link requireAuth}.
 *
 * @throws {TypeError} if there is no scope, or one is not a scope token (RFC 6749 section 3.3)
 * @example
 * ```ts
 * import { requireScope } from "@postern/client/express";
 * import express from "express";
 *
 * const app = express();
 * app.post("/orders", requireScope("orders:write"), (_request, response) => {
 *   response.sendStatus(201);
 * });
 * ```
 */
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
      // Answer here: Express logs each error that it is passed, with its stack, so refused clients could fill the log.
      (error) => {
        const refusal = refusalOf(error);
        if (refusal === undefined) next(error);
        // Other code, such as a timeout, may have answered in the meantime.
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
