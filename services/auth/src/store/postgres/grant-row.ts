import type { SessionId, UserId, Uuid } from "../../domain/ports/ids.ts";
import type { SessionGrant } from "../../domain/ports/session-store.ts";

/** SQL for the columns of `source`, a `postern.grant_row`. */
export function grantColumns(source: string): string {
  return `(${source}).session_id, (${source}).user_id, (${source}).client_id, (${source}).audience,
    (${source}).scope, (${source}).roles, (${source}).amr, (${source}).auth_time,
    (${source}).rev, (${source}).refresh_key,
    (${source}).generation, (${source}).ends_at, (${source}).now,
    (${source}).keys_version`;
}

export interface GrantRow {
  readonly session_id: SessionId;
  readonly user_id: UserId;
  readonly client_id: string;
  readonly audience: string[];
  readonly scope: string[];
  readonly roles: string[];
  readonly amr: string[];
  readonly auth_time: Date;
  readonly rev: number;
  readonly refresh_key: number;
  readonly generation: number;
  readonly ends_at: Date;
  readonly now: Date;
  readonly keys_version: Uuid;
}

export function toGrant(row: GrantRow): SessionGrant {
  return {
    sessionId: row.session_id,
    userId: row.user_id,
    clientId: row.client_id,
    audience: row.audience,
    scope: row.scope,
    roles: row.roles,
    amr: row.amr,
    authTime: row.auth_time,
    rev: row.rev,
    refreshKey: row.refresh_key,
    generation: row.generation,
    endsAt: row.ends_at,
    now: row.now,
    keysVersion: row.keys_version,
  };
}
