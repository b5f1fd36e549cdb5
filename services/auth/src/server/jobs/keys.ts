import { type RotateDueKeysDeps, rotateDueKeys } from "../../domain/keys/rotate-due-keys.ts";
import { formatId } from "../../lib/type-id.ts";
import type { Events } from "../../telemetry/events.ts";
import type { Job } from "./job.ts";

/** Rotates keys that are due, and seals them again under a new first master key. */
export function keyJob(deps: Omit<RotateDueKeysDeps, "resealed">, events: Pick<Events, "keysRotated">): Job {
  const resealed = new Set<string>();
  return {
    name: "keys",
    everyMs: 10_000,
    async run() {
      for (const step of await rotateDueKeys({ ...deps, resealed })) {
        const what = "key" in step ? { key: formatId("key", step.key.id), purpose: step.key.purpose } : step;
        events.keysRotated({ ...what, kind: step.kind });
      }
    },
  };
}
