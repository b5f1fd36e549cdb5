import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@postern/proto/grpc/health/v1/health_pb.js";
import { connectionKey } from "./context.ts";
import type { HealthWatches } from "./health-watches.ts";

export interface HealthDeps {
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
  /** The services that can be asked for, and `""` for the server as a whole. */
  readonly services: ReadonlySet<string>;
  readonly watches: HealthWatches;
}

/** `grpc.health.v1`: serving from readiness until the server drains. */
export function createHealthService({ draining, services, watches }: HealthDeps): ServiceImpl<typeof Health> {
  const status = () => (draining.aborted ? Status.NOT_SERVING : Status.SERVING);
  return {
    check({ service }) {
      if (!services.has(service)) throw new ConnectError("no such service", Code.NotFound);
      return { status: status() };
    },
    async *watch({ service }, context) {
      // A stream that says so and ends is opened anew at once; one that fails, after a while.
      if (draining.aborted) throw new ConnectError("the server is about to stop", Code.Unavailable);
      using watch = watches.open(context.values.get(connectionKey));
      yield { status: services.has(service) ? status() : Status.SERVICE_UNKNOWN };
      await aborted(AbortSignal.any([draining, context.signal, watch.ended]));
      // The one change that is ever to be told.
      if (draining.aborted && services.has(service)) yield { status: Status.NOT_SERVING };
      else if (watch.ended.aborted) throw watch.ended.reason;
    },
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
