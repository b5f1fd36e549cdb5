import { AuthError } from "../../domain/errors.ts";
import type { EntryId, Uuid } from "../../domain/ports/ids.ts";
import type { LogEntry, RevocationLog, RevocationTarget } from "../../domain/ports/revocation-log.ts";
import { formatId } from "../../lib/type-id.ts";
import { onStandby } from "./connection-faults.ts";
import type { Queries } from "./database.ts";

interface EntryJson {
  readonly seq: number;
  readonly id: EntryId;
  readonly previous_id: EntryId;
  readonly kind: RevocationTarget["kind"];
  readonly target_id: Uuid | null;
  readonly client_id: string | null;
  readonly forget_after_ms: number;
}

interface HeadRow {
  readonly seq: number;
  readonly tail: EntryId;
  readonly everything_cutoff: number;
  readonly as_of: Date;
  readonly now: Date;
  readonly keys_version: Uuid;
  readonly in_recovery: boolean;
  readonly entries: EntryJson[] | null;
}

const entryJson = `jsonb_build_object('seq', r.seq, 'id', r.id, 'previous_id', r.previous_id, 'kind', r.kind,
  'target_id', r.target_id, 'client_id', r.client_id,
  'forget_after_ms', (extract(epoch from r.forget_after) * 1000)::bigint)`;

/**
 * `as_of` is the start of the transaction: the statement's snapshot contains everything that was committed by then, and
 * maybe nothing later. `statement_timestamp()` would be wrong, because the driver's protocol sets it again after the
 * snapshot was taken. `now` is the current time: a token that expires between the two has expired.
 */
const head = `h.seq, h.tail, h.everything_cutoff,
  postern.now() - (clock_timestamp() - transaction_timestamp()) as as_of, postern.now() as now, h.keys_version,
  pg_is_in_recovery() as in_recovery`;

/**
 * Maximum number of entries that one statement reads. It has to end within the time of a call and to fit into memory. The
 * form of the query makes the planner use the index, with outdated statistics as well.
 */
const pageLength = 5_000;
const pageAfter = (condition: string) => `coalesce((
  select jsonb_agg(${entryJson} order by r.seq) from (
    select * from postern.revocations r where r.seq > $1 and ${condition} order by r.seq limit ${pageLength}) r), '[]')`;

const prefixes = { token: "tok", session: "ses", user: "usr", key: "key" } as const;

function toTarget(entry: EntryJson): RevocationTarget {
  if (entry.kind === "everything") return { kind: "everything" };
  if (entry.kind === "client") return { kind: "client", id: entry.client_id ?? "" };
  return { kind: entry.kind, id: formatId(prefixes[entry.kind], entry.target_id ?? "") };
}

function toEntry(entry: EntryJson): LogEntry {
  return {
    seq: entry.seq,
    id: entry.id,
    previousId: entry.previous_id,
    target: toTarget(entry),
    forgetAfterMs: entry.forget_after_ms,
  };
}

/** Whether all pages are of one log. The database may have been restored between two of them. */
function isOneLog(first: HeadRow, last: HeadRow, entries: readonly LogEntry[]): boolean {
  if (last.seq === first.seq) return last.tail === first.tail;
  return entries.some(({ previousId }) => previousId === first.tail);
}

/** Reads the log and its head. Throws if the database is a standby. */
export function createLogReader(db: Queries): Pick<RevocationLog, "readAfter" | "readAll"> {
  async function readHead(sql: string, values: readonly unknown[]): Promise<HeadRow> {
    const [row] = await db.query<HeadRow>(sql, values);
    if (row === undefined) throw new Error("the revocation log has no head");
    // A standby, or a primary that was demoted under an open connection, may lack what others have committed.
    if (row.in_recovery) throw onStandby();
    return row;
  }

  return {
    async readAfter(known) {
      const row = await readHead(
        `select ${head}, case when h.seq > $1 then ${pageAfter("true")} end as entries
         from postern.revocation_head h`,
        [known.seq],
      );
      return {
        head: { seq: row.seq, tail: row.tail },
        asOf: row.as_of,
        now: row.now,
        keysVersion: row.keys_version,
        entries: row.entries?.map(toEntry),
      };
    },

    async readAll() {
      const readPage = (afterSeq: number) =>
        readHead(
          `select ${head}, ${pageAfter("r.forget_after > postern.now() - interval '1 hour'")} as entries
           from postern.revocation_head h`,
          [afterSeq],
        );
      const first = await readPage(0);
      let last = first;
      const entries = (first.entries ?? []).map(toEntry);
      while (last.entries?.length === pageLength) {
        last = await readPage(entries.at(-1)?.seq ?? 0);
        entries.push(...(last.entries ?? []).map(toEntry));
      }
      if (!isOneLog(first, last, entries)) throw new AuthError("UNAVAILABLE");
      return {
        head: { seq: last.seq, tail: last.tail },
        asOf: last.as_of,
        now: last.now,
        keysVersion: last.keys_version,
        everythingSeq: last.everything_cutoff,
        entries,
      };
    },
  };
}
