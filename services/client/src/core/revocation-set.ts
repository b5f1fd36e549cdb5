import { IdTable } from "./id-table.ts";

/** What an entry of the revocation log revokes. IDs have the form of those in tokens. */
export type RevocationTarget =
  | { readonly kind: "token"; readonly id: string }
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "user"; readonly id: string }
  | { readonly kind: "client"; readonly id: string }
  | { readonly kind: "key"; readonly id: string }
  | { readonly kind: "everything" };

/**
 * How long entries are kept after the tokens that they revoke have expired, in milliseconds: the database's clock may have
 * been ahead by this much, and was corrected.
 */
export const clockAheadMs = 3_600_000;

/** An entry of the revocation log. */
export interface Revocation {
  readonly seq: number;
  readonly target: RevocationTarget;
  /** All tokens that it revokes have expired by this time, in milliseconds since the epoch. */
  readonly forgetAfterMs: number;
}

/** The claims that decide whether a token is revoked. */
export interface RevocableClaims {
  readonly kid: string;
  readonly jti: string;
  readonly sid: string;
  readonly sub: string;
  readonly client_id: string;
  /** The log's number when the session was authenticated. */
  readonly rev: number;
}

/**
 * The live entries of the revocation log, in memory.
 *
 * Entries for a token, session or key match by ID. Entries for a user, a client or everything match what was authenticated
 * before them in the order of the log: a `rev` below their number. No clock is compared. Of two entries, the later one
 * counts.
 */
export class RevocationSet {
  readonly #tokens = new IdTable("tok_");
  readonly #sessions = new IdTable("ses_");
  readonly #keys = new IdTable("key_");
  /** With the number of each user's last entry. */
  readonly #users = new IdTable("usr_", true);
  /** A plain map: there are few, and their names have no fixed form. */
  readonly #clients = new Map<string, { seq: number; forgetAfterMs: number }>();
  #everything = 0;

  /** Number of IDs. */
  get size(): number {
    return this.#tokens.size + this.#sessions.size + this.#keys.size + this.#users.size + this.#clients.size;
  }

  add(entry: Revocation): void {
    const { target, seq, forgetAfterMs } = entry;
    switch (target.kind) {
      case "token":
        this.#tokens.add(target.id, forgetAfterMs);
        break;
      case "session":
        this.#sessions.add(target.id, forgetAfterMs);
        break;
      case "key":
        this.#keys.add(target.id, forgetAfterMs);
        break;
      case "user":
        this.#users.add(target.id, forgetAfterMs, seq);
        break;
      case "client":
        raise(this.#clients, target.id, seq, forgetAfterMs);
        break;
      case "everything":
        this.#everything = Math.max(this.#everything, seq);
        break;
      default:
        target satisfies never;
        // A reader of a newer server's log must not ignore an entry.
        throw new TypeError("a revocation of an unknown kind");
    }
  }

  /** Whether an entry revokes a token with these claims. A `rev` that is not a number counts as revoked by any cutoff. */
  revokes(claims: RevocableClaims): boolean {
    return (
      this.#tokens.has(claims.jti) ||
      this.#sessions.has(claims.sid) ||
      this.#keys.has(claims.kid) ||
      !(claims.rev >= (this.#users.get(claims.sub) ?? 0)) ||
      !(claims.rev >= (this.#clients.get(claims.client_id)?.seq ?? 0)) ||
      !(claims.rev >= this.#everything)
    );
  }

  /** Drops entries whose tokens have all expired. The `everything` entry is one number, and stays. */
  forget(nowMs: number): void {
    for (const table of [this.#tokens, this.#sessions, this.#keys, this.#users]) table.forget(nowMs);
    for (const [id, cutoff] of this.#clients) if (cutoff.forgetAfterMs < nowMs) this.#clients.delete(id);
  }
}

function raise(
  map: Map<string, { seq: number; forgetAfterMs: number }>,
  id: string,
  seq: number,
  forgetAfterMs: number,
): void {
  const known = map.get(id) ?? { seq, forgetAfterMs };
  map.set(id, {
    seq: Math.max(known.seq, seq),
    forgetAfterMs: Math.max(known.forgetAfterMs, forgetAfterMs),
  });
}
