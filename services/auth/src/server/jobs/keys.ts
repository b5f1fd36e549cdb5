import type { Logger } from "pino";
import { type TurnKeysDeps, turnKeys } from "../../domain/keys/turn-keys.ts";
import { formatId } from "../../lib/type-id.ts";
import type { Job } from "./job.ts";

/** Turns the keys when it is time, and seals them anew when there is another first master key. */
export function keyJob(deps: Omit<TurnKeysDeps, "resealed">, log: Logger): Job {
  const resealed = new Set<string>();
  return {
    name: "keys",
    everyMs: 10_000,
    async run() {
      for (const step of await turnKeys({ ...deps, resealed })) {
        const what = "key" in step ? { key: formatId("key", step.key.id), purpose: step.key.purpose } : step;
        log.info({ event: "keys_turned", ...what, kind: step.kind });
      }
    },
  };
}
