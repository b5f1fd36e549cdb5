import { setTimeout as wait } from "node:timers/promises";
import { describeFault, mayPass } from "../store/postgres/connection-faults.ts";
import { checkSchema, migrate } from "../store/postgres/migrate.ts";
import { type PublicRights, readPublicRights } from "../store/postgres/public-rights.ts";
import type { Events } from "../telemetry/events.ts";
import type { ReadyConfig } from "./embedded-config.ts";

const retryMs = 1_000;

/** Migrates the schema, or checks it. */
export async function prepareDatabase(
  { databaseUrl, migrate: mayMigrate }: ReadyConfig,
  events: Pick<Events, "waitingForLock">,
  signal: AbortSignal,
): Promise<PublicRights> {
  await (mayMigrate ? migrate : checkSchema)(databaseUrl, { signal, onWait: events.waitingForLock });
  return readPublicRights(databaseUrl, signal);
}

/** Retries while the database is unreachable or accepts no writes. All other faults are permanent. */
export async function untilReady<T>(
  stopping: AbortSignal,
  events: Pick<Events, "waitingForDatabase">,
  start: () => Promise<T>,
): Promise<T> {
  for (;;) {
    stopping.throwIfAborted();
    try {
      return await start();
    } catch (error) {
      if (!mayPass(error)) throw error;
      events.waitingForDatabase(error, describeFault(error));
      await wait(retryMs, undefined, { signal: stopping });
    }
  }
}
