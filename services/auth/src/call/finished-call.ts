/** A finished call, for the log and the metrics; of a stream, at its end. */
export interface FinishedCall {
  /** `<service>/<method>`, as in the path of its URL. */
  readonly operation: string;
  /** The request id, as in the audit and the answer's `x-request-id`. */
  readonly id: string;
  /** `ok`, the reason of the refusal, or the name of a code that the protocol has for its own errors. */
  readonly outcome: string;
  /** Whether the error is one of ours, which no caller can cause or avoid. */
  readonly isFault: boolean;
  /** What was thrown; undefined for success. */
  readonly error: unknown;
  readonly durationMs: number;
}
