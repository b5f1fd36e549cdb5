import type { SessionId, UserId } from "../../domain/ports/ids.ts";
import type { SessionRecord, SessionStore } from "../../domain/ports/session-store.ts";
import type { Queries } from "./database.ts";
import { aliveWhere } from "./session-alive.ts";

interface RecordRow {
  readonly id: SessionId;
  readonly user_id: UserId;
  readonly caller: string;
  readonly client_id: string;
  readonly audience: string[];
  readonly scope: string[];
  readonly amr: string[];
  readonly device: string;
  readonly client_address: string;
  readonly user_agent: string;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly idle_at: Date;
  readonly ended_at: Date | null;
  readonly ended_by: string | null;
  readonly by_user: boolean;
  readonly by_client: boolean;
  readonly by_everything: boolean;
  readonly now: Date;
}

const records = `select s.id, s.user_id, s.caller, s.client_id, s.audience, s.scope, s.amr, s.device,
    s.client_address, s.user_agent, s.created_at, s.last_used_at, s.expires_at, s.ended_at, s.ended_by,
    s.last_used_at + $1::interval as idle_at,
    s.rev < u.cutoff as by_user, s.rev < coalesce(c.cutoff, 0) as by_client,
    s.rev < h.everything_cutoff as by_everything, postern.now() as now
  from postern.sessions s join postern.users u on u.id = s.user_id cross join postern.revocation_head h
  left join postern.client_cutoffs c on c.client_id = s.client_id`;

/** Reads sessions for administrators, including those that are over. */
export function createSessionRecords(db: Queries, idle: string): Pick<SessionStore, "find" | "search"> {
  return {
    async find(id) {
      const [row] = await db.query<RecordRow>(`${records} where s.id = $2`, [idle, id]);
      return row === undefined ? undefined : toRecord(row);
    },

    async search({ userId, clientId, all, before, limit }) {
      const rows = await db.query<RecordRow>(
        `${records}
         where ($2::uuid is null or s.user_id = $2) and ($3::text is null or s.client_id = $3)
           and ($4::uuid is null or s.id < $4)
           and ($5 or (${aliveWhere("$1")}))
         order by s.id desc limit $6`,
        [idle, userId ?? null, clientId ?? null, before ?? null, all, limit],
      );
      return rows.map(toRecord);
    },
  };
}

function toRecord(row: RecordRow): SessionRecord {
  const { ended_at: endedAt, ended_by: endedBy } = row;
  return {
    id: row.id,
    userId: row.user_id,
    caller: row.caller,
    clientId: row.client_id,
    audience: row.audience,
    scope: row.scope,
    amr: row.amr,
    device: row.device,
    clientAddress: row.client_address,
    userAgent: row.user_agent,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    idleAt: row.idle_at,
    ended: endedAt === null || endedBy === null ? undefined : { at: endedAt, by: endedBy },
    cutoffs: [
      ...(row.by_user ? (["user"] as const) : []),
      ...(row.by_client ? (["client"] as const) : []),
      ...(row.by_everything ? (["everything"] as const) : []),
    ],
    now: row.now,
  };
}
