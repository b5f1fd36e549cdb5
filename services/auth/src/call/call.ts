import type { Caller } from "../domain/caller/caller.ts";
import { AuthError } from "../domain/errors.ts";

/** One call, of any transport. */
export interface Call {
  /** The request ID: the call's name in the log, the audit and the answer's `x-request-id`. */
  readonly id: string;
  /** `<service>/<method>` of an RPC, as in the path of its URL; the name of an HTTP endpoint, such as `forward-auth`. */
  readonly operation: string;
  /** Undefined only in public operations. */
  readonly caller: Caller | undefined;
  /** Aborted at the call's deadline, and when the client hangs up. */
  readonly signal: AbortSignal;
  /** The socket of the call, or its session over HTTP/2. */
  readonly connection: object;
  /**
   * Checks again whether the caller may call the operation. For streams, which outlive the credential.
   * @throws {AuthError}
   */
  readonly reauthorize: () => Promise<void>;
}

/** @throws {AuthError} `INVALID_CLIENT` if the operation is public, so that no caller is known */
export function callerOf({ caller }: Call): Caller {
  if (caller === undefined) throw new AuthError("INVALID_CLIENT");
  return caller;
}
