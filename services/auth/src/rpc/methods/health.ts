import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@postern/proto/grpc/health/v1/health_pb.js";
import type { Call } from "../../call/call.ts";
import { StatusError } from "../../call/outcome.ts";
import type { HealthWatches } from "./health-watches.ts";
import { type Method, stream, unary } from "./method.ts";

export interface HealthDeps {
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
  /** The services that a client can ask about, and `""` for the server as a whole. */
  readonly services: ReadonlySet<string>;
  readonly watches: HealthWatches;
}

/** `grpc.health.v1.Health`: SERVING from readiness until the server drains. */
export function createHealthMethods(deps: HealthDeps): Method[] {
  return [
    unary(Health.method.check, (_call, { service }) => {
      if (!deps.services.has(service)) throw new StatusError("not_found", "no such service");
      return { status: servingStatus(deps) };
    }),
    stream(
      Health.method.watch,
      (call, { service }) => watchStatus(deps, call, service),
      (status) => ({ status }),
    ),
  ];
}

async function* watchStatus(deps: HealthDeps, call: Call, service: string): AsyncGenerator<Status> {
  const { draining, services, watches } = deps;
  // A client opens a stream that ends again immediately, but a stream that fails only after a pause.
  if (draining.aborted) throw new StatusError("unavailable", "the server is about to stop");
  using watch = watches.open(call.connection);
  yield services.has(service) ? servingStatus(deps) : Status.SERVICE_UNKNOWN;
  await aborted(AbortSignal.any([draining, call.signal, watch.ended]));
  // The only change that there ever is to report.
  if (draining.aborted && services.has(service)) yield Status.NOT_SERVING;
  else if (watch.ended.aborted) throw watch.ended.reason;
}

function servingStatus({ draining }: HealthDeps): Status {
  return draining.aborted ? Status.NOT_SERVING : Status.SERVING;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
