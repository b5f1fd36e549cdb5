import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Caller } from "../domain/caller/caller.ts";
import { PosternError } from "../domain/errors.ts";

/** Who calls; set before the message is read, and by nobody else. */
export const callerKey = createContextKey<Caller | undefined>(undefined, { description: "caller" });

/**
 * Looks again whether the caller may call the method.
 * @throws {PosternError}
 */
export const admitAgainKey = createContextKey<() => Promise<void>>(
  async () => {
    throw new PosternError("INVALID_CLIENT");
  },
  { description: "admit again" },
);

/** The connection of the call: its socket, or its session over HTTP/2. */
export const connectionKey = createContextKey<object>({}, { description: "connection" });

/** Called when the caller's credential was accepted. */
export const onAcceptedKey = createContextKey<() => void>(() => {}, { description: "on accepted" });

/** Names this call in the log, the audit and the answer's `x-request-id`. */
export const requestIdKey = createContextKey("", { description: "request id" });

/** Whether the message was read and the call's chain has begun. */
export const begunKey = createContextKey({ begun: false }, { description: "begun" });

/** @throws PosternError `INVALID_CLIENT` where nobody was authenticated, whatever the reason */
export function callerOf(context: Pick<HandlerContext, "values">): Caller {
  const caller = context.values.get(callerKey);
  if (caller === undefined) throw new PosternError("INVALID_CLIENT");
  return caller;
}
