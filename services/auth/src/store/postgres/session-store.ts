import { AuthError } from "../../domain/errors.ts";
import type { SessionId, UserId } from "../../domain/ports/ids.ts";
import type {
  NewSession,
  OpenOutcome,
  RefreshTokenState,
  Session,
  SessionPolicy,
  SessionStore,
} from "../../domain/ports/session-store.ts";
import { onStandby } from "./connection-faults.ts";
import type { Queries } from "./database.ts";
import { type GrantRow, grantColumns, toGrant } from "./grant-row.ts";
import { interval } from "./interval.ts";
import { createRotations } from "./rotations.ts";
import { aliveWhere } from "./session-alive.ts";
import { createSessionRecords } from "./session-records.ts";

/**
 * Sessions in Postgres.
 *
 * @param refreshDb for calls with a refresh token: connections that logins do not use
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
    open: (session) => openSession(db, policy, session),
    readRefreshToken: (token) => readRefreshToken(refreshDb, { grace, idle }, token),
    list: (page) => listSessions(db, idle, page),
  };
}

async function openSession(db: Queries, policy: SessionPolicy, session: NewSession): Promise<OpenOutcome> {
  const [row] = await db.query<{ outcome: OpenOutcome["kind"]; expires_at: Date } & GrantRow>(
    `select o.outcome, o.expires_at, ${grantColumns("o.opened")}
     from postern.open_session($1, $2::interval, $3::interval, $4) as o`,
    [toJson(session), interval(policy.sessionTtlMs), interval(policy.idleTtlMs), policy.maxSessions],
  );
  if (row === undefined) return { kind: "stale" };
  if (row.outcome !== "opened") return { kind: row.outcome };
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
}

function toJson(session: NewSession): string {
  return JSON.stringify({
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
  });
}

async function readRefreshToken(
  db: Queries,
  { grace, idle }: { readonly grace: string; readonly idle: string },
  { sessionId, refreshKey, generation }: Parameters<SessionStore["readRefreshToken"]>[0],
): Promise<RefreshTokenState> {
  const [row] = await db.query<GrantRow & { in_recovery: boolean; caller: string | null }>(
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
  // A standby may lack the end of the session, or its beginning.
  if (row === undefined) throw new AuthError("UNAVAILABLE");
  if (row.in_recovery) throw onStandby();
  return row.caller === null ? { kind: "dead" } : { kind: "alive", grant: toGrant(row), caller: row.caller };
}

interface ListRow {
  readonly id: SessionId;
  readonly user_id: UserId;
  readonly client_id: string;
  readonly device: string;
  readonly client_address: string;
  readonly user_agent: string;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly amr: string[];
}

async function listSessions(
  db: Queries,
  idle: string,
  { userId, before, limit, clients }: Parameters<SessionStore["list"]>[0],
): Promise<Session[]> {
  const rows = await db.query<ListRow>(
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
}
