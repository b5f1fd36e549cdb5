import { thisMachine } from "../crypto/argon2.ts";
import { workersFor } from "../crypto/argon2-workers.ts";
import { type ListenerLimits, listenerLimits, readProcessLimits } from "../listen/listener-limits.ts";
import type { PublicRights } from "../store/postgres/public-rights.ts";
import type { Events } from "../telemetry/events.ts";

/** The limits of the listeners, from the limits of the process. */
export function readLimits(events: Pick<Events, "openFilesShort">): ListenerLimits {
  const limits = listenerLimits({
    ...readProcessLimits(),
    hashThreads: workersFor(thisMachine()).count,
  });
  if (limits.isShortOfFiles) events.openFilesShort(limits.connections);
  return limits;
}

export function warnAboutLittleMemory(events: Pick<Events, "memoryShort">): void {
  const machine = thisMachine();
  const { shortOfBytes } = workersFor(machine);
  if (shortOfBytes !== undefined) events.memoryShort(machine.memoryBytes, shortOfBytes);
}

/** Warns about rights that every role of the database server has on this database. */
export function warnAboutPublicRights(
  { database, connect, create }: PublicRights,
  events: Pick<Events, "databaseOpenToAllRoles">,
): void {
  const missing: string[] = [];
  if (create) missing.push("revoke create on schema public from public");
  if (connect) {
    const name = database.replaceAll('"', '""');
    missing.push(`revoke connect, temporary on database "${name}" from public`);
  }
  if (missing.length > 0) events.databaseOpenToAllRoles(missing);
}
