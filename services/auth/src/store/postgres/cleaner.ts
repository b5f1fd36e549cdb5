import type { CleanedKind, Cleaner } from "../../domain/ports/cleaner.ts";
import type { Queries } from "./database.ts";

const tables = {
  sessions: "sessions",
  revocations: "revocations",
  addresses: "user_addresses",
} as const satisfies Readonly<Record<CleanedKind, string>>;

/** Cleaning in Postgres; `postern.clean` decides what may be deleted. */
export function createCleaner(db: Queries): Cleaner {
  return {
    async clean(kind, { limit, from }) {
      const [row] = await db.query<{ cleaned: number | null; up_to: Date | null }>(
        "select cleaned, up_to from postern.clean($1, $2, $3)",
        [tables[kind], limit, from ?? null],
      );
      const rows = row?.cleaned ?? undefined;
      return rows === undefined ? { kind: "busy" } : { kind: "cleaned", rows, upTo: row?.up_to ?? undefined };
    },
  };
}
