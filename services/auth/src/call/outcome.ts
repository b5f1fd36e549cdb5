import { AuthError, type ErrorCode } from "../domain/errors.ts";

/**
 * The refusal of a contract that is not Postern's, such as `grpc.health.v1`: it has a code, and none of Postern's
 * reasons.
 */
export class StatusError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = "StatusError";
    this.code = code;
  }
}

/** How a call ended, for the log and the metrics. */
export interface Outcome {
  /** `ok`, the reason of the refusal, or the name of a code, such as `DeadlineExceeded`. */
  readonly outcome: string;
  /** Whether the error is one of ours, which no caller can cause or avoid. */
  readonly isFault: boolean;
}

/** @param error what was thrown; undefined for success */
export function outcomeOf(error: unknown): Outcome {
  if (error === undefined) return { outcome: "ok", isFault: false };
  if (error instanceof AuthError) return { outcome: error.reason, isFault: error.reason === "INTERNAL" };
  if (error instanceof StatusError)
    return { outcome: codeName(error.code), isFault: error.code === "internal" };
  return { outcome: "INTERNAL", isFault: true };
}

/** `resource_exhausted` → `ResourceExhausted`. */
function codeName(code: string): string {
  return code.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
