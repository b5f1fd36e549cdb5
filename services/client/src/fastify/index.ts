/** Guards for Fastify. */

import type { FastifyInstance } from "fastify";
import { ownMember } from "../core/own-members.ts";
import { authenticateOptional, authenticateRequest, authorizationOf } from "../guard/authenticate-request.ts";
import { checkScopeNames, demandCaller, demandScope } from "../guard/demands.ts";
import { refusalOf } from "../guard/refusal.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The authenticated caller; `undefined` if there is none. */
    caller: VerifiedToken | undefined;
  }
}

/** A plugin for `app.register`: it guards every route of that instance and of its child instances. */
export type Guard = (app: FastifyInstance) => Promise<void>;

/** A hook for `onRequest` of a route, or for `addHook`. */
export type Hook = (request: GuardedRequest, reply: GuardReply) => Promise<unknown>;

/** The part of Fastify's request that a guard uses, with any version of HTTP. */
export interface GuardedRequest {
  caller: VerifiedToken | undefined;
  readonly raw: { readonly rawHeaders: readonly string[] };
}

/** The part of Fastify's reply that a guard uses. */
export interface GuardReply {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(body: object): unknown;
}

/**
 * Returns the authenticated caller of a request.
 *
 * @throws {PosternError} `ERR_CREDENTIAL_MISSING` if the request has none: no guard ran, or it had no credential
 * @example
 * ```ts
 * import { callerOf } from "@postern/client/fastify";
 * import fastify from "fastify";
 *
 * const app = fastify();
 * app.get("/me", async (request) => ({ subject: callerOf(request).subject }));
 * ```
 */
export function callerOf(request: Pick<GuardedRequest, "caller">): VerifiedToken {
  return demandCaller(ownMember(request, "caller"));
}

/**
 * Creates a plugin that admits requests with a valid access token and sets `request.caller`. It answers all other
 * requests itself, with 401 or 503 (RFC 6750 section 3).
 *
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 * import { requireAuth } from "@postern/client/fastify";
 * import fastify from "fastify";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * const app = fastify();
 * await app.register(requireAuth(verifier));
 * ```
 */
export function requireAuth(verifier: Pick<Verifier, "verify">): Guard {
  return guard("postern-require-auth", async (request) => {
    request.caller = await authenticateRequest(verifier, authorizationOf(request.raw));
  });
}

/**
 * Creates a plugin like {@link requireAuth} that also admits requests without a credential. An invalid credential is
 * refused.
 *
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 * import { optionalAuth } from "@postern/client/fastify";
 * import fastify from "fastify";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * const app = fastify();
 * await app.register(optionalAuth(verifier));
 * app.get("/", async (request) => `Hello, ${request.caller?.subject ?? "guest"}`);
 * ```
 */
export function optionalAuth(verifier: Pick<Verifier, "verify">): Guard {
  return guard("postern-optional-auth", async (request) => {
    request.caller = await authenticateOptional(verifier, authorizationOf(request.raw));
  });
}

/**
 * Creates a hook that admits callers whose token has all of these scopes, and answers others with 403. It must run after
 * {@link requireAuth}.
 *
 * @throws {TypeError} if there is no scope, or one is not a scope token (RFC 6749 section 3.3)
 * @example
 * ```ts
 * import { requireScope } from "@postern/client/fastify";
 * import fastify from "fastify";
 *
 * const app = fastify();
 * app.post("/orders", { onRequest: requireScope("orders:write") }, async () => "created");
 * ```
 */
export function requireScope(...scope: readonly string[]): Hook {
  checkScopeNames(scope);
  return hook(async (request) => demandScope(callerOf(request), ...scope));
}

function guard(name: string, check: (request: GuardedRequest) => Promise<void>): Guard {
  async function plugin(app: FastifyInstance): Promise<void> {
    if (!app.hasRequestDecorator("caller")) app.decorateRequest("caller", undefined);
    app.addHook("onRequest", hook(check));
  }
  // Without this, the hook would only run for routes that the plugin itself registers, and it registers none.
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: name,
  });
}

function hook(check: (request: GuardedRequest) => Promise<void>): Hook {
  return async (request, reply) => {
    try {
      await check(request);
      return undefined;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      reply.code(refusal.status);
      reply.headers({ ...refusal.headers });
      reply.send(refusal.body);
      // If a hook returns the reply, Fastify ends the request.
      return reply;
    }
  };
}
