import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import type { Verifier } from "../verifier/verifier.ts";
import { type RequestGate, requireAuth } from "./guards.ts";

type Options = Partial<ConnectRouterOptions>;

/**
 * Returns a router that guards everything registered on it with {@link requireAuth}. No option of a service or a method can
 * turn this off: its own `requestGate` runs afterwards, and `requestGate: undefined`, which leaves a service on any other
 * router without authentication, changes nothing.
 *
 * The router's gate replaces the adapter's `requestGate`. If the adapter's gate does more than authenticate, pass its other
 * part as a further gate.
 * @param further gates for every call, in this order, after authentication and before a service's own gate
 * @example
 * ```ts
 * import { connectNodeAdapter } from "@connectrpc/connect-node";
 * import { createVerifier } from "@postern/client";
 * import { authenticated } from "@postern/client/connect";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * export const handler = connectNodeAdapter({
 *   routes(router) {
 *     authenticated(verifier, router); // register your services on the router that it returns
 *   },
 * });
 * ```
 */
export function authenticated(
  verifier: Pick<Verifier, "verify">,
  router: ConnectRouter,
  ...further: readonly RequestGate[]
): ConnectRouter {
  function behindAuth(options: Options = {}): Options {
    const own = Object.hasOwn(options, "requestGate") ? options.requestGate : undefined;
    const gates = own === undefined ? further : [...further, own];
    return { ...options, requestGate: requireAuth(verifier, ...gates) };
  }
  const guarded: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, behindAuth(options));
      return guarded;
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, behindAuth(options));
      return guarded;
    },
  };
  return guarded;
}
