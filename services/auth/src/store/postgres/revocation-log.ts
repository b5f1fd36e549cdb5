import type { RevocationLog, RevokeOutcome } from "../../domain/ports/revocation-log.ts";
import type { Queries } from "./database.ts";
import { createLogReader } from "./log-reader.ts";

type Revocations = Pick<
  RevocationLog,
  "revokeToken" | "revokeSession" | "revokeUser" | "revokeClient" | "revokeEverything"
>;

/**
 * The revocation log in Postgres.
 *
 * @param db for everything that revokes
 * @param headDb for reads of the head: separate connections, so that no queue delays the reads
 */
export function createRevocationLog(db: Queries, headDb: Queries): RevocationLog {
  return {
    ...createLogReader(headDb),
    ...createRevocations(db),
    async readSeq() {
      const [row] = await db.query<{ seq: number }>("select seq from postern.revocation_head");
      return row?.seq ?? 0;
    },
    async recover(actor) {
      const [row] = await db.query<{ seq: number }>("select postern.recover($1, $2) as seq", [
        actor.caller,
        actor.requestId,
      ]);
      return { seq: row?.seq ?? 0 };
    },
    async recordRewind({ known, head: found }) {
      await db.query("select postern.record_audit('log_rewound', 'postern', '', null, null, null, $1)", [
        JSON.stringify({ known, found }),
      ]);
    },
  };
}

function createRevocations(db: Queries): Revocations {
  async function revoke(sql: string, values: readonly unknown[]): Promise<RevokeOutcome> {
    const [row] = await db.query<{ outcome: RevokeOutcome["kind"]; seq: number }>(sql, values);
    if (row === undefined) throw new Error("a revocation has no outcome");
    return row.outcome === "foreign" ? { kind: "foreign" } : { kind: row.outcome, seq: row.seq };
  }

  return {
    revokeToken: (tokenId, expiresAt, actor, whose) =>
      revoke("select outcome, seq from postern.revoke_token($1, $2, $3, $4, $5, $6, $7)", [
        tokenId,
        expiresAt,
        actor.caller,
        actor.requestId,
        whose.userId ?? null,
        whose.sessionId ?? null,
        whose.clientId,
      ]),
    revokeSession: (sessionId, clients, actor) =>
      revoke("select outcome, seq from postern.revoke_session($1, $2, $3, $4)", [
        sessionId,
        clients === undefined ? null : [...clients],
        actor.caller,
        actor.requestId,
      ]),
    revokeUser: (userId, actor) =>
      revoke("select outcome, seq from postern.revoke_user($1, $2, $3)", [
        userId,
        actor.caller,
        actor.requestId,
      ]),
    revokeClient: (clientId, actor) =>
      revoke("select 'revoked' as outcome, postern.revoke_client($1, $2, $3) as seq", [
        clientId,
        actor.caller,
        actor.requestId,
      ]),
    revokeEverything: (actor) =>
      revoke("select 'revoked' as outcome, postern.revoke_everything($1, $2) as seq", [
        actor.caller,
        actor.requestId,
      ]),
  };
}
