import type {
  AuditEvent,
  AuditFilter,
  AuditPage,
  AuditRecord,
  AuditStore,
  Json,
} from "../../domain/ports/audit-store.ts";
import type { AuditEventId, SessionId, UserId, Uuid } from "../../domain/ports/ids.ts";
import { formatId } from "../../lib/type-id.ts";
import type { Queries } from "./database.ts";
import { interval } from "./interval.ts";

interface AuditRow {
  readonly edge: AuditEventId | null;
  /** Null if the slice is empty. */
  readonly id: AuditEventId | null;
  readonly at: Date;
  readonly event: string;
  readonly caller: string;
  readonly request_id: string;
  readonly user_id: UserId | null;
  readonly session_id: SessionId | null;
  readonly client_id: string | null;
  readonly client_address: string | null;
  readonly detail: Json;
}

/** Filters with an index of their own, the most selective first. The first one that is given bounds the slice. */
const indexed = [
  ["sessionId", "session_id = "],
  ["userId", "user_id = "],
  ["account", "detail ->> 'account' = "],
] as const;
const others = [
  ["clientId", "client_id = "],
  ["caller", "caller = "],
  ["keyId", "detail ->> 'key' = "],
] as const;

const firstUuid = "00000000-0000-0000-0000-000000000000";
const lastUuid = "ffffffff-ffff-ffff-ffff-ffffffffffff";
/** Maximum number of rows that one statement looks at; takes some milliseconds. */
const defaultSliceRows = 20_000;

export interface AuditStoreDatabases {
  /** For reading and purging. */
  readonly db: Queries;
  /** For records that calls wait for: separate connections, so that no queue delays them. */
  readonly recordsDb: Queries;
}

/** The audit in Postgres. */
export function createAuditStore(
  { db, recordsDb }: AuditStoreDatabases,
  { sliceRows = defaultSliceRows }: { readonly sliceRows?: number } = {},
): AuditStore {
  return {
    async record(records) {
      await recordsDb.query("select postern.record_audit_batch($1)", [JSON.stringify(records.map(toJson))]);
    },

    async scan(filter, page) {
      const { sql, values } = sliceOf(filter, page, sliceRows);
      const rows = await db.query<AuditRow>(sql, values);
      const [first] = rows;
      const events = rows.flatMap((row) => (row.id === null ? [] : [toEvent(row, row.id)]));
      const last = events.length < page.limit ? undefined : events.at(-1);
      return { events, reached: last?.id ?? first?.edge ?? undefined };
    },

    async readTime() {
      const [row] = await db.query<{ now: Date }>("select postern.now() as now");
      if (row === undefined) throw new Error("there is no time");
      return row.now;
    },

    async purge(keptForMs, limit) {
      const [row] = await db.query<{ count: number | null }>(
        "select postern.purge_audit(postern.now() - $1::interval, $2) as count",
        [interval(keptForMs), limit],
      );
      return row?.count ?? "busy";
    },
  };
}

/**
 * A slice has up to `sliceRows` rows of the requested time and index, whether or not they match the other filters. The rows
 * that match are returned.
 */
function sliceOf(filter: AuditFilter, { order, beyond, limit }: AuditPage, sliceRows: number) {
  const values: unknown[] = [];
  const add = (value: unknown) => `$${values.push(value)}`;
  const [beyondIs, direction, edgeIs, end] =
    order === "newest first" ? ["<", "desc", ">=", firstUuid] : [">", "asc", "<=", lastUuid];
  const within = ["true"];
  const fitting = ["true"];
  if (beyond !== undefined) within.push(`id ${beyondIs} ${add(beyond)}::uuid`);
  if (filter.since !== undefined) {
    const since = `${add(filter.since)}::timestamptz`;
    within.push(`id >= postern.first_audit_id(${since} - interval '1 second')`);
    fitting.push(`at >= ${since}`);
  }
  if (filter.until !== undefined) {
    const until = `${add(filter.until)}::timestamptz`;
    within.push(`id < postern.first_audit_id(${until} + interval '1 second')`);
    fitting.push(`at < ${until}`);
  }
  const [by, ...rest] = indexed.filter(([name]) => filter[name] !== undefined);
  if (by !== undefined) within.push(by[1] + add(filter[by[0]]));
  for (const [name, condition] of [...rest, ...others]) {
    const value = filter[name];
    if (value !== undefined) fitting.push(condition + add(value));
  }
  if (filter.clientAddresses !== undefined)
    fitting.push(`client_address = any (${add([...filter.clientAddresses])}::text[])`);
  if (filter.events !== undefined && filter.events.length > 0)
    fitting.push(`event = any (${add([...filter.events])}::text[])`);
  const slice = within.join(" and ");
  const sql = `with edge as materialized (
      select id from postern.audit where ${slice} order by id ${direction} offset ${sliceRows - 1} limit 1)
    select t.edge, r.*
    from (select (select id from edge) as edge) t left join lateral (
      select id, at, event, caller, request_id, user_id, session_id, client_id, client_address, detail
      from postern.audit
      where ${slice} and id ${edgeIs} coalesce(t.edge, '${end}') and ${fitting.join(" and ")}
      order by id ${direction} limit ${add(limit)}) r on true
    order by r.id ${direction}`;
  return { sql, values };
}

function toEvent(row: AuditRow, id: AuditEventId): AuditEvent {
  const { key, token, ...detail } = membersOf(row.detail);
  return {
    id,
    at: row.at,
    event: row.event,
    caller: row.caller,
    requestId: row.request_id,
    userId: row.user_id ?? undefined,
    sessionId: row.session_id ?? undefined,
    clientId: row.client_id ?? undefined,
    clientAddress: row.client_address ?? undefined,
    keyId: isUuid(key) ? key : undefined,
    detail: {
      ...(key === undefined || isUuid(key) ? {} : { key }),
      ...(token === undefined ? {} : { token: isUuid(token) ? formatId("tok", token) : token }),
      ...detail,
    },
  };
}

/** A role that can write rows must not be able to write a row that makes all others unreadable. */
function membersOf(detail: Json): Record<string, Json> {
  const members =
    typeof detail === "object" && detail !== null && !Array.isArray(detail) ? detail : { detail };
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, finite(value)]));
}

/** Postgres allows numbers that `JSON.parse` turns into infinity. */
function finite(value: Json): Json {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(finite);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, finite(member)]));
}

function isUuid(value: Json | undefined): value is Uuid {
  return typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}

function toJson({ event, caller, requestId, userId, clientId, clientAddress, detail }: AuditRecord) {
  return {
    event,
    caller,
    detail,
    request_id: requestId,
    user_id: userId,
    client_id: clientId,
    client_address: clientAddress,
  };
}
