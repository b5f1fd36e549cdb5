import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import type { Verifier } from "../verifier/create-verifier.ts";
import { type RequestGate, requireAuth } from "./guards.ts";

type Options = Partial<ConnectRouterOptions>;

/**
 * A router on which everything is registered behind {@link requireAuth}. No option of a service or a method can switch
 * that off: its own `requestGate` runs after it, and `requestGate: undefined`, which opens a service on any other router,
 * changes nothing.
 *
 * The adapter's `requestGate` is replaced, as by any gate of a service. Name what it does besides as a further gate.
 * @param further what to ask of every call beyond that, in this order, before a service's own gate
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
