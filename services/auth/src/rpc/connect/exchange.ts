import { type ContextValues, createContextKey } from "@connectrpc/connect";
import type { OpenCall } from "../../call/calls.ts";

/** A call on its way through Connect's machinery, and how far its request got. */
export interface Exchange {
  readonly call: OpenCall;
  /** The refusal of the caller, before the body was read. */
  isRefused: boolean;
  /** Whether the first message, or the whole body, was read. */
  isRead: boolean;
  /** Whether a compressed message was larger than allowed. */
  isTooLarge: boolean;
  /** Whether the message was parsed and the interceptors have begun. */
  isParsed: boolean;
}

export function createExchange(call: OpenCall): Exchange {
  return { call, isRefused: false, isRead: false, isTooLarge: false, isParsed: false };
}

/** How interceptors and handlers find the exchange. Connect passes them nothing else of ours. */
export const exchangeKey = createContextKey<Exchange | undefined>(undefined, { description: "exchange" });

/** @throws {Error} if the handler was called past the gate */
export function exchangeOf(values: ContextValues): Exchange {
  const exchange = values.get(exchangeKey);
  if (exchange === undefined) throw new Error("a handler was called past the gate");
  return exchange;
}
