import {
  type ConnectRouterOptions,
  type ContextKey,
  createContextKey,
  type HandlerContext,
} from "@connectrpc/connect";
import { authenticateOptional, authenticateRequest } from "../guard/authenticate-request.ts";
import { checkScopeNames, demandCaller, demandScope } from "../guard/demands.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";
import { toConnectError } from "./errors.ts";

/**
 * Runs before the message of a call is read. A service's own interceptors replace those of the adapter, but not its gate:
 * a gate therefore still protects a service that is registered with other interceptors.
 *
 * @example
 * ```ts
 * import type { RequestGate } from "@postern/client/connect";
 *
 * const onlyPost: RequestGate = ({ requestMethod }) => {
 *   if (requestMethod !== "POST") throw new Error("use POST");
 * };
 * ```
 */
export type RequestGate = NonNullable<ConnectRouterOptions["requestGate"]>;

/**
 * The key of the authenticated caller in a call's context values. Its value is `undefined` if {@link optionalAuth}
 * admitted a call without a credential.
 *
 * @example
 * ```ts
 * import type { HandlerContext } from "@connectrpc/connect";
 * import { callerKey } from "@postern/client/connect";
 *
 * function greet(_request: object, { values }: HandlerContext): string {
 *   return `Hello, ${values.get(callerKey)?.subject ?? "guest"}`;
 * }
 * ```
 */
export const callerKey: ContextKey<VerifiedToken | undefined> = createContextKey<VerifiedToken | undefined>(
  undefined,
  { description: "caller" },
);

/**
 * Returns the authenticated caller of a call.
 *
 * @throws {ConnectError} `unauthenticated` if the call has none: no gate ran, or the call had no credential
 * @example
 * ```ts
 * import type { HandlerContext } from "@connectrpc/connect";
 * import { callerOf } from "@postern/client/connect";
 *
 * function listOrders(_request: object, context: HandlerContext): string {
 *   return `orders of ${callerOf(context).subject}`;
 * }
 * ```
 */
export function callerOf({ values }: Pick<HandlerContext, "values">): VerifiedToken {
  return refusing(() => demandCaller(values.get(callerKey)));
}

/**
 * Creates a gate that admits calls with a valid access token and stores the caller under {@link callerKey}. As
 * `requestGate` of an adapter it protects all services; as `requestGate` of one service it replaces the adapter's gate.
 *
 * A service that is registered with `requestGate: undefined` has no authentication, even if the adapter has a gate. This
 * can happen if its options are spread from another object that lacks the gate. A router of {@link authenticated} prevents
 * it.
 *
 * @param further gates that run after it, in this order
 * @example
 * ```ts
 * import { connectNodeAdapter } from "@connectrpc/connect-node";
 * import { createVerifier } from "@postern/client";
 * import { requireAuth, requireScope } from "@postern/client/connect";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * export const handler = connectNodeAdapter({
 *   requestGate: requireAuth(verifier, requireScope("orders:read")),
 *   routes: (router) => router,
 * });
 * ```
 */
export function requireAuth(
  verifier: Pick<Verifier, "verify">,
  ...further: readonly RequestGate[]
): RequestGate {
  return admit((authorization) => authenticateRequest(verifier, authorization), further);
}

/**
 * Creates a gate like {@link requireAuth} that also admits calls without a credential. An invalid credential is refused.
 *
 * @param further gates that run after it, in this order
 * @example
 * ```ts
 * import { connectNodeAdapter } from "@connectrpc/connect-node";
 * import { createVerifier } from "@postern/client";
 * import { optionalAuth } from "@postern/client/connect";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * export const handler = connectNodeAdapter({
 *   requestGate: optionalAuth(verifier),
 *   routes: (router) => router,
 * });
 * ```
 */
export function optionalAuth(
  verifier: Pick<Verifier, "verify">,
  ...further: readonly RequestGate[]
): RequestGate {
  return admit((authorization) => authenticateOptional(verifier, authorization), further);
}

/**
 * Creates a gate that admits callers whose token has all of these scopes. Pass it to {@link requireAuth} as a further gate:
 * alone it finds no caller and refuses every call.
 *
 * @throws {TypeError} if there is no scope, or one is not a scope token (RFC 6749 section 3.3)
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 * import { requireAuth, requireScope } from "@postern/client/connect";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * export const requestGate = requireAuth(verifier, requireScope("orders:write"));
 * ```
 */
export function requireScope(...scope: readonly string[]): RequestGate {
  checkScopeNames(scope);
  return (context) => {
    const caller = callerOf(context);
    refusing(() => demandScope(caller, ...scope));
  };
}

function admit(
  authenticate: (authorization: string | null) => Promise<VerifiedToken | undefined>,
  further: readonly RequestGate[],
): RequestGate {
  return async (context) => {
    const { values, requestHeader } = context;
    // A caller that an earlier gate found must not pass this one.
    values.delete(callerKey);
    const caller = await authenticate(requestHeader.get("authorization")).catch((error) => {
      throw toConnectError(error);
    });
    values.set(callerKey, caller);
    for (const gate of further) await gate(context);
  };
}

function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toConnectError(error);
  }
}
