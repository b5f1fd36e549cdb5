import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type WatchRevocationsResponse,
  WatchRevocationsResponseSchema,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";

/** A stream that a reader has opened. */
export interface FakeStream {
  readonly cursor: string;
  readonly signal: AbortSignal;
  send(message: WatchRevocationsResponse): void;
  end(): void;
  fail(error: unknown): void;
}

type Step = { readonly message: WatchRevocationsResponse } | { readonly error: unknown } | "end";

/** Streams whose messages the test sends. An aborted stream fails. */
export class FakeServer {
  readonly streams: FakeStream[] = [];

  get last(): FakeStream {
    const last = this.streams.at(-1);
    if (last === undefined) throw new Error("there was no call");
    return last;
  }

  watch(cursor: string, signal: AbortSignal): AsyncIterable<WatchRevocationsResponse> {
    const steps: Step[] = [];
    let wake = () => {};
    const push = (step: Step) => {
      steps.push(step);
      wake();
    };
    this.streams.push({
      cursor,
      signal,
      send: (message) => push({ message }),
      end: () => push("end"),
      fail: (error) => push({ error }),
    });
    if (signal.aborted) push({ error: new Error("canceled") });
    signal.addEventListener("abort", () => push({ error: new Error("canceled") }));
    async function* run() {
      for (;;) {
        const step = steps.shift();
        if (step === "end") return;
        if (step === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if ("error" in step) throw step.error;
        else yield step.message;
      }
    }
    return run();
  }
}

/** A message with a checkpoint of that time. */
export function checkpoint(asOfMs: number, more: { cursor?: string; jwks?: string; sequence?: number } = {}) {
  return create(WatchRevocationsResponseSchema, {
    ...(more.jwks === undefined ? {} : { keys: { jwks: more.jwks } }),
    checkpoint: {
      asOf: timestampFromMs(asOfMs),
      maxStaleness: durationFromMs(10_000),
      sequence: BigInt(more.sequence ?? 0),
    },
    cursor: more.cursor ?? "c",
  });
}
