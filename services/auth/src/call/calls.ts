import { type Caller, permits } from "../domain/caller/caller.ts";
import { AuthError } from "../domain/errors.ts";
import { type AccessRule, accessTable } from "./access-table.ts";
import type { Arrival } from "./arrival.ts";
import type { Call } from "./call.ts";
import type { FinishedCall } from "./finished-call.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** @throws {AuthError} `INVALID_CLIENT`, `UNAVAILABLE` */
export type Authenticate = (authorization: string | null) => Promise<Caller>;

export interface CallsDeps {
  readonly authenticate: Authenticate;
  /** Whether the server has no room for another call of the operation. */
  readonly isOverloaded: (operation: string) => boolean;
  /** A credential was accepted on a connection. */
  readonly onAccepted: (connection: object) => void;
  readonly onFinished: (call: FinishedCall) => void;
  /** A call was refused before it was opened, because of overload. Not logged: a line would cost as much as the refusal. */
  readonly onShed: (operation: string) => void;
}

/** What all transports share: who may call, and the report of each call. */
export interface Calls extends Pick<CallsDeps, "isOverloaded" | "onShed"> {
  /** @param operation one that has a row in the access table */
  open(operation: string, arrival: Arrival): OpenCall;
}

/** A call on its way: `admit`, then `start`, and `finish` in any case. */
export interface OpenCall {
  readonly id: string;
  /**
   * Authenticates the caller and checks its permission. To be awaited before any byte of the body is used.
   * @throws {AuthError} `INVALID_CLIENT`, `NOT_PERMITTED`, `UNAVAILABLE`
   */
  admit(): Promise<void>;
  /**
   * What the operation gets.
   * @throws {Error} if the call was not admitted
   */
  start(signal: AbortSignal): Call;
  /** Reports the call. Only the first report counts. @param error what was thrown; undefined for success */
  finish(error?: unknown, outcome?: Outcome): void;
}

/** The frame of every call. The rules themselves are in the access table and in the domain. */
export function createCalls(deps: CallsDeps): Calls {
  return {
    isOverloaded: deps.isOverloaded,
    onShed: deps.onShed,
    open(operation, { id, connection, authorization }) {
      const rule = accessTable.get(operation);
      const startedAtMs = performance.now();
      let caller: Caller | undefined;
      let isAdmitted = false;
      let isFinished = false;
      async function admit(): Promise<void> {
        // A component in between may have judged the call by the other credential.
        if (authorization.length > 1) {
          throw new AuthError("INVALID_CLIENT", { message: "send one `authorization` header" });
        }
        if (rule !== "public") {
          caller = await deps.authenticate(authorization[0] ?? null);
          requirePermission(rule, caller);
          deps.onAccepted(connection);
        }
        isAdmitted = true;
      }
      return {
        id,
        admit,
        start(signal) {
          if (!isAdmitted) throw new Error(`${operation} was started without an admitted caller`);
          return { id, operation, caller, signal, connection, reauthorize: admit };
        },
        finish(error, outcome = outcomeOf(error)) {
          if (isFinished) return;
          isFinished = true;
          deps.onFinished({ operation, id, error, ...outcome, durationMs: performance.now() - startedAtMs });
        },
      };
    },
  };
}

/** An operation without a rule is closed. The start refuses to serve one. */
function requirePermission(rule: Exclude<AccessRule, "public"> | undefined, caller: Caller): void {
  if (rule?.some((permission) => permits(caller, permission))) return;
  const required = rule?.map((permission) => `\`${permission}\``).join(" or ") ?? "";
  throw new AuthError("NOT_PERMITTED", { message: `the caller lacks the permission ${required}` });
}
