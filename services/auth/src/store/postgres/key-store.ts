import type { Actor } from "../../domain/ports/actor.ts";
import type { KeyId, Uuid } from "../../domain/ports/ids.ts";
import type {
  ActivateOutcome,
  KeyPurpose,
  KeyState,
  KeyStore,
  NewKey,
  PrepareOutcome,
  PublicJwk,
  RemoveOutcome,
  StoredKey,
  TaintOutcome,
} from "../../domain/ports/key-store.ts";
import type { Queries } from "./database.ts";
import { interval } from "./interval.ts";

interface ListRow extends Partial<KeyRow> {
  readonly keys_version: Uuid;
  readonly now: Date;
}

interface KeyRow {
  readonly id: KeyId | null;
  readonly number: number;
  readonly purpose: KeyPurpose;
  readonly alg: StoredKey["alg"];
  readonly state: KeyState;
  readonly public_jwk: PublicJwk | null;
  readonly sealed: Buffer;
  readonly created_at: Date;
  readonly activated_at: Date | null;
  readonly retired_at: Date | null;
}

/**
 * Sealed keys in Postgres.
 *
 * @param readDb for reads: connections that logins do not use, because tokens may have to wait for a read
 */
export function createKeyStore(db: Queries, readDb: Queries = db): KeyStore {
  async function call<T>(sql: string, values: readonly unknown[]): Promise<T> {
    const [row] = await db.query<{ answer: T }>(`select ${sql} as answer`, values);
    if (row === undefined) throw new Error("a change of keys has no outcome");
    return row.answer;
  }

  return {
    async list() {
      const rows = await readDb.query<ListRow>(
        `select keys_version, now, id, number, purpose, alg, state, public_jwk, sealed, created_at,
           activated_at, retired_at
         from postern.list_keys()`,
      );
      const [first] = rows;
      if (first === undefined) throw new Error("the revocation log has no head");
      return { version: first.keys_version, now: first.now, keys: rows.filter(isKey).map(toKey) };
    },

    async addFirst(key, actor) {
      await call("postern.add_first_key($1, $2, $3)", [toJson(key), ...by(actor)]);
    },

    prepare: (key, { unlessPrepared, most }, actor) =>
      call<PrepareOutcome>("postern.prepare_key($1, $2, $3, $4, $5)", [
        toJson(key),
        unlessPrepared,
        most,
        ...by(actor),
      ]),

    activate: (id, { leadMs, insteadOf }, actor) =>
      call<ActivateOutcome>("postern.activate_key($1, $2::interval, $3, $4, $5)", [
        id,
        interval(leadMs),
        insteadOf ?? null,
        ...by(actor),
      ]),

    async taint(id, actor) {
      const [row] = await db.query<{ outcome: TaintOutcome["kind"]; seq: number }>(
        "select outcome, seq from postern.taint_key($1, $2, $3)",
        [id, ...by(actor)],
      );
      if (row === undefined) throw new Error("a change of keys has no outcome");
      const { outcome: kind, seq } = row;
      return kind === "tainted" || kind === "already" ? { kind, seq } : { kind };
    },

    remove: (id, keptForMs, actor) =>
      call<RemoveOutcome>("postern.remove_key($1, $2::interval, $3, $4)", [
        id,
        interval(keptForMs),
        ...by(actor),
      ]),

    reseal: (id, from, to, actor) =>
      call<boolean>("postern.reseal_key($1, $2, $3, $4, $5)", [id, from, to, ...by(actor)]),
  };
}

function isKey(row: ListRow): row is ListRow & KeyRow {
  return row.id !== null;
}

function toKey(row: KeyRow): StoredKey {
  return {
    id: row.id ?? "",
    number: row.number,
    purpose: row.purpose,
    alg: row.alg,
    state: row.state,
    publicJwk: row.public_jwk ?? undefined,
    sealed: row.sealed,
    createdAt: row.created_at,
    activatedAt: row.activated_at ?? undefined,
    retiredAt: row.retired_at ?? undefined,
  };
}

function toJson({ id, purpose, alg, publicJwk, sealed }: NewKey): string {
  // Postgres reads a `bytea` in JSON from its text form.
  return JSON.stringify({
    id,
    purpose,
    alg,
    public_jwk: publicJwk,
    sealed: `\\x${Buffer.from(sealed).toString("hex")}`,
  });
}

function by({ caller, requestId }: Actor): string[] {
  return [caller, requestId];
}
