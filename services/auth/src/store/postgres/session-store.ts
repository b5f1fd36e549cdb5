import { PosternError } from "../../domain/errors.ts";
import type { Uuid } from "../../domain/ports/ids.ts";
import type {
  NewSession,
  OpenOutcome,
  Session,
  SessionPolicy,
  SessionStore,
} from "../../domain/ports/session-store.ts";
import { onStandby } from "./connection-faults.ts";
import type { Queries } from "./database.ts";
import { type GrantRow, grantColumns, toGrant } from "./grant-row.ts";
import { createRotations } from "./rotations.ts";
import { aliveWhere } from "./session-alive.ts";
import { createSessionRecords } from "./session-records.ts";

/**
 * Sessions in Postgres.
 *
 * @param refreshDb for whatever shows a refresh token: connections that no login takes
 */
export function createSessionStore(
  db: Queries,
  policy: SessionPolicy,
  refreshDb: Queries = db,
): SessionStore {
  const idle = interval(policy.idleTtlMs);
  const grace = interval(policy.refreshGraceMs);

  return {
    rotate: createRotations(refreshDb, { grace, idle }),
    ...createSessionRecords(db, idle),

    async open(session: NewSession): Promise<OpenOutcome> {
      const [row] = await db.query<{ outcome: "opened" | "stale" | "revoked"; expires_at: Date } & GrantRow>(
        `select o.outcome, o.expires_at, ${grantColumns("o.opened")}
         from postern.open_session($1, $2::interval, $3::interval, $4) as o`,
        [JSON.stringify(toRow(session)), interval(policy.sessionTtlMs), idle, policy.maxSessions],
      );
      if (row === undefined || row.outcome !== "opened")
        return { kind: row?.outcome ?? "stale" } as OpenOutcome;
      const grant = toGrant(row);
      return {
        kind: "opened",
        grant,
        session: {
          id: session.id,
          userId: session.userId,
          clientId: session.clientId,
          device: session.device,
          clientAddress: session.clientAddress,
          userAgent: session.userAgent,
          createdAt: grant.authTime,
          lastUsedAt: grant.authTime,
          expiresAt: row.expires_at,
          amr: session.amr,
        },
      };
    },

    async readRefreshToken({ sessionId, refreshKey, generation }) {
      const [row] = await refreshDb.query<GrantRow & { in_recovery: boolean; caller: string | null }>(
        `select r.in_recovery, t.caller, ${grantColumns("t.granted")}
         from (select pg_is_in_recovery() as in_recovery) r left join (
           select s.caller, postern.to_grant(s, u.roles, $2::interval, postern.now()) as granted
           from postern.sessions s join postern.users u on u.id = s.user_id
           where s.id = $1 and ${aliveWhere("$2")} and s.refresh_key = $3
             and ($4 >= s.generation
               or ($4 = s.generation - 1 and postern.now() - $5::interval < s.rotated_at))
         ) t on true`,
        [sessionId, idle, refreshKey, generation, grace],
      );
      // A standby may not know yet that the session has ended, or that it has begun.
      if (row === undefined) throw new PosternError("UNAVAILABLE");
      if (row.in_recovery) throw onStandby();
      return row.caller === null
        ? { kind: "dead" }
        : { kind: "alive", grant: toGrant(row), caller: row.caller };
    },

    async list({ userId, before, limit, clients }): Promise<Session[]> {
      const rows = await db.query<{
        id: Uuid;
        user_id: Uuid;
        client_id: string;
        device: string;
        client_address: string;
        user_agent: string;
        created_at: Date;
        last_used_at: Date;
        expires_at: Date;
        amr: string[];
      }>(
        `select s.id, s.user_id, s.client_id, s.device, s.client_address, s.user_agent, s.created_at,
           s.last_used_at, s.expires_at, s.amr
         from postern.sessions s join postern.users u on u.id = s.user_id
         where s.user_id = $1 and ${aliveWhere("$2")} and ($3::uuid is null or s.id < $3)
           and ($4::text[] is null or s.client_id = any ($4))
         order by s.id desc limit $5`,
        [userId, idle, before ?? null, clients === undefined ? null : [...clients], limit],
      );
      return rows.map((row) => ({
        id: row.id,
        userId: row.user_id,
        clientId: row.client_id,
        device: row.device,
        clientAddress: row.client_address,
        userAgent: row.user_agent,
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at,
        expiresAt: row.expires_at,
        amr: row.amr,
      }));
    },
  };
}

function toRow(session: NewSession) {
  return {
    id: session.id,
    user_id: session.userId,
    password_version: session.passwordVersion,
    rev: session.rev,
    caller: session.caller,
    client_id: session.clientId,
    audience: session.audience,
    scope: session.scope,
    amr: session.amr,
    refresh_key: session.refreshKey,
    device: session.device,
    client_address: session.clientAddress,
    address_key: session.addressKey,
    user_agent: session.userAgent,
    request_id: session.requestId,
  };
}

function interval(ms: number): string {
  return `${ms} milliseconds`;
}
