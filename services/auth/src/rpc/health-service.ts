import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@postern/proto/grpc/health/v1/health_pb.js";

export interface HealthDeps {
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
  /** The services that can be asked for, and `""` for the server as a whole. */
  readonly services: ReadonlySet<string>;
}

/** `grpc.health.v1`: serving from readiness until the server drains. */
export function createHealthService({ draining, services }: HealthDeps): ServiceImpl<typeof Health> {
  const status = () => (draining.aborted ? Status.NOT_SERVING : Status.SERVING);
  return {
    check({ service }) {
      if (!services.has(service)) throw new ConnectError("no such service", Code.NotFound);
      return { status: status() };
    },
    async *watch({ service }, context) {
      // A stream that says so and ends is opened anew at once; one that fails, after a while.
      if (draining.aborted) throw new ConnectError("the server is about to stop", Code.Unavailable);
      yield { status: services.has(service) ? status() : Status.SERVICE_UNKNOWN };
      await aborted(AbortSignal.any([draining, context.signal]));
      // The one change that is ever to be told.
      if (draining.aborted && services.has(service)) yield { status: Status.NOT_SERVING };
    },
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
