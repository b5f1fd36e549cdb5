import type { Target } from "../wire-forms.ts";

/** Calls in flight, with every protocol: a closed loop, where an answer is followed by the next call at once. */
export const inFlight = 32;
/** Connections of gRPC, which share the calls in flight; HTTP/1.1 has one for each. */
export const grpcConnections = 4;

/** What a generator is to send. */
export interface Load extends Target {
  /** In order, and again from the first if there are fewer than calls: whole requests, or gRPC frames. */
  readonly requests: readonly Buffer[];
  readonly calls: number;
}

/** What a generator saw. */
export interface Seen {
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Milliseconds from a request to the end of its answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Sends a load and waits for every answer.
 * @throws {Error} where a call went unanswered, or HTTP said that it failed; gRPC's own status is the server's to count
 */
export type Generator = (load: Load) => Promise<Seen>;
