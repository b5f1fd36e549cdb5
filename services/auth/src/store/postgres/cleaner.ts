import type { Cleaner } from "../../domain/ports/cleaner.ts";
import type { Queries } from "./database.ts";

/** Cleaning in Postgres; what may go stands in `postern.clean`. */
export function createCleaner(db: Queries): Cleaner {
  return {
    async clean(table, { limit, from }) {
      const [row] = await db.query<{ cleaned: number | null; up_to: Date | null }>(
        "select cleaned, up_to from postern.clean($1, $2, $3)",
        [table, limit, from ?? null],
      );
      const rows = row?.cleaned ?? undefined;
      return rows === undefined ? { kind: "busy" } : { kind: "cleaned", rows, upTo: row?.up_to ?? undefined };
    },
  };
}
