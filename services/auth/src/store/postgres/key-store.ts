import type { Uuid } from "../../domain/ports/ids.ts";
import type { KeyPurpose, KeyState, KeyStore, PublicJwk, StoredKey } from "../../domain/ports/key-store.ts";
import type { Queries } from "./database.ts";

interface KeyRow {
  readonly id: Uuid;
  readonly number: number;
  readonly purpose: KeyPurpose;
  readonly alg: StoredKey["alg"];
  readonly state: KeyState;
  readonly public_jwk: PublicJwk | null;
  readonly sealed: Buffer;
  readonly created_at: Date;
}

/** Sealed keys in Postgres. */
export function createKeyStore(db: Queries): KeyStore {
  return {
    async list() {
      const rows = await db.query<KeyRow>(
        `select id, number::float8 as number, purpose, alg, state, public_jwk, sealed, created_at
         from postern.keys where state <> 'removed' order by number`,
      );
      return rows.map((row) => ({
        id: row.id,
        number: row.number,
        purpose: row.purpose,
        alg: row.alg,
        state: row.state,
        publicJwk: row.public_jwk ?? undefined,
        sealed: row.sealed,
        createdAt: row.created_at,
      }));
    },

    async addFirst(key) {
      // The unique index on active keys decides between two servers that start on an empty database.
      await db.query(
        `insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at)
         values ($1, $2, $3, 'active', $4, $5, postern.now())
         on conflict (purpose) where state = 'active' do nothing`,
        [
          key.id,
          key.purpose,
          key.alg,
          key.publicJwk === undefined ? null : JSON.stringify(key.publicJwk),
          key.sealed,
        ],
      );
    },
  };
}
