/** Guards for Fastify. */

import type { FastifyInstance } from "fastify";
import { ownMember } from "../core/own-members.ts";
import { authenticateOptional, authenticateRequest, authorizationOf } from "../guard/authenticate-request.ts";
import { checkScopeNames, demandCaller, demandScope } from "../guard/demands.ts";
import { refusalOf } from "../guard/refusal.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who sends the request; undefined where nobody was authenticated. */
    caller: VerifiedToken | undefined;
  }
}

/** For `app.register`: it guards every route of the instance that it is registered with, and of those below. */
export type Guard = (app: FastifyInstance) => Promise<void>;

/** For `onRequest` of a route, or `addHook`. */
export type Hook = (request: GuardedRequest, reply: GuardReply) => Promise<unknown>;

/** What is asked of Fastify's request, over whichever version of HTTP. */
export interface GuardedRequest {
  caller: VerifiedToken | undefined;
  readonly raw: { readonly rawHeaders: readonly string[] };
}

/** What is asked of Fastify's reply. */
export interface GuardReply {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(body: object): unknown;
}

/** @throws {PosternError} `ERR_CREDENTIAL_MISSING` where nobody was authenticated, for whatever reason */
export function callerOf(request: Pick<GuardedRequest, "caller">): VerifiedToken {
  return demandCaller(ownMember(request, "caller"));
}

/** Lets in who shows a good access token, which is `request.caller` from then on; answers all others itself. */
export function requireAuth(verifier: Pick<Verifier, "verify">): Guard {
  return guard("postern-require-auth", async (request) => {
    request.caller = await authenticateRequest(verifier, authorizationOf(request.raw));
  });
}

/** As {@link requireAuth}, and lets in who shows no credential. A bad one is refused all the same. */
export function optionalAuth(verifier: Pick<Verifier, "verify">): Guard {
  return guard("postern-optional-auth", async (request) => {
    request.caller = await authenticateOptional(verifier, authorizationOf(request.raw));
  });
}

/** Lets in whose token allows every one of these scopes; behind {@link requireAuth}. */
export function requireScope(...scope: readonly string[]): Hook {
  checkScopeNames(scope);
  return hook(async (request) => demandScope(callerOf(request), ...scope));
}

function guard(name: string, check: (request: GuardedRequest) => Promise<void>): Guard {
  async function plugin(app: FastifyInstance): Promise<void> {
    if (!app.hasRequestDecorator("caller")) app.decorateRequest("caller", undefined);
    app.addHook("onRequest", hook(check));
  }
  // Otherwise the hook would hold for routes that are registered within the plugin, of which there are none.
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
      // Fastify takes a hook that returns the reply for the end of the request.
      return reply;
    }
  };
}
