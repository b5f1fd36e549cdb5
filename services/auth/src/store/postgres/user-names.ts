import type { Uuid } from "../../domain/ports/ids.ts";
import type { UserNames } from "../../domain/ports/user-names.ts";
import { withoutDeadline } from "../../lib/deadline.ts";
import type { Queries } from "./database.ts";

interface Batch {
  readonly ids: Set<Uuid>;
  readonly names: Promise<ReadonlyMap<Uuid, string>>;
}

/** Reads names in batches: what is asked while a statement is in flight goes into the next one. */
export function createUserNames(db: Queries): UserNames {
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: Batch | undefined;

  async function readAll(ids: ReadonlySet<Uuid>): Promise<ReadonlyMap<Uuid, string>> {
    const rows = await db.query<{ id: Uuid; name: string }>(
      "select id, coalesce(username, email) as name from postern.users where id = any ($1)",
      [[...ids]],
    );
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  function open(): Batch {
    const ids = new Set<Uuid>();
    const names = withoutDeadline(() =>
      inFlight.then(() => {
        next = undefined;
        const reading = readAll(ids);
        inFlight = reading.catch(() => {});
        return reading;
      }),
    );
    return { ids, names };
  }

  return {
    async read(userId) {
      next ??= open();
      const { ids, names } = next;
      ids.add(userId);
      return (await names).get(userId);
    },
  };
}
