import type { Logger } from "pino";
import { type RotateDueKeysDeps, rotateDueKeys } from "../../domain/keys/rotate-due-keys.ts";
import { formatId } from "../../lib/type-id.ts";
import type { Job } from "./job.ts";

/** Rotates the keys that are due, and reseals them after a change of the first master key. */
export function keyJob(deps: Omit<RotateDueKeysDeps, "resealed">, log: Logger): Job {
  const resealed = new Set<string>();
  return {
    name: "keys",
    everyMs: 10_000,
    async run() {
      for (const step of await rotateDueKeys({ ...deps, resealed })) {
        const what = "key" in step ? { key: formatId("key", step.key.id), purpose: step.key.purpose } : step;
        log.info({ event: "keys_rotated", ...what, kind: step.kind });
      }
    },
  };
}
