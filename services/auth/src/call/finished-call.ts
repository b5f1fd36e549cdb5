import type { Outcome } from "./outcome.ts";

/** A call that has ended, for the log and the metrics. A stream has ended when its last message was sent. */
export interface FinishedCall extends Outcome {
  /** `Call.operation` */
  readonly operation: string;
  /** `Call.id` */
  readonly id: string;
  /** What was thrown; undefined for success. */
  readonly error: unknown;
  /** Milliseconds from the arrival of the request's headers. */
  readonly durationMs: number;
}
