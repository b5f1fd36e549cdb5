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
 * Runs before a call's message is read. Interceptors that a service is registered with replace those of the adapter,
 * and with them whatever they would have refused; the gate stays.
 */
export type RequestGate = NonNullable<ConnectRouterOptions["requestGate"]>;

/** Who calls; undefined where nobody was authenticated. */
export const callerKey: ContextKey<VerifiedToken | undefined> = createContextKey<VerifiedToken | undefined>(
  undefined,
  { description: "caller" },
);

/** @throws {ConnectError} `unauthenticated` where nobody was authenticated, for whatever reason */
export function callerOf({ values }: Pick<HandlerContext, "values">): VerifiedToken {
  return refusing(() => demandCaller(values.get(callerKey)));
}

/**
 * Lets in who shows a good access token, and tells the handler by {@link callerKey}. For `requestGate` of an adapter,
 * where it holds for all that is registered, or of a service, where it stands in place of the adapter's.
 *
 * A service that is registered with `requestGate: undefined` has no authentication, whatever the adapter's gate is. This can
 * happen if its options are spread from another object that lacks the gate. It cannot happen on a router of
 * `authenticated`.
 * @param further what to ask beyond that, in this order
 */
export function requireAuth(
  verifier: Pick<Verifier, "verify">,
  ...further: readonly RequestGate[]
): RequestGate {
  return admit((authorization) => authenticateRequest(verifier, authorization), further);
}

/** As {@link requireAuth}, and lets in who shows no credential. A bad one is refused all the same. */
export function optionalAuth(
  verifier: Pick<Verifier, "verify">,
  ...further: readonly RequestGate[]
): RequestGate {
  return admit((authorization) => authenticateOptional(verifier, authorization), further);
}

/**
 * Lets in whose token allows every one of these scopes. Behind {@link requireAuth}, as its further argument: by
 * itself it knows nobody, and refuses all.
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
    // Whoever was known before was not known by this gate.
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
