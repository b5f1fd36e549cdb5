import { IdTable } from "./id-table.ts";

/** What an entry of the revocation log hits. Ids are in the form that tokens carry. */
export type RevocationTarget =
  | { readonly kind: "token"; readonly id: string }
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "user"; readonly id: string }
  | { readonly kind: "client"; readonly id: string }
  | { readonly kind: "key"; readonly id: string }
  | { readonly kind: "everything" };

/**
 * How long entries are kept beyond the end of all that they hit: the database's clock may have been ahead by so much, and
 * was put right. In milliseconds.
 */
export const clockAheadMs = 3_600_000;

/** An entry of the revocation log. */
export interface Revocation {
  readonly seq: number;
  readonly target: RevocationTarget;
  /** After this time nothing that it hits is alive any more; milliseconds since the epoch. */
  readonly forgetAfterMs: number;
}

/** The claims that decide. */
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
 * The living entries of the revocation log, in memory.
 *
 * Token, session and key entries hit by identity. User, client and `everything` entries hit whatever was
 * authenticated before them in the order of the log (`rev` below their number); no clock is compared, and
 * the later of two entries wins.
 */
export class RevocationSet {
  readonly #tokens = new IdTable("tok_");
  readonly #sessions = new IdTable("ses_");
  readonly #keys = new IdTable("key_");
  /** Numbered by the last entry of each user. */
  readonly #users = new IdTable("usr_", true);
  /** Few, and names that anybody may give. */
  readonly #clients = new Map<string, { seq: number; forgetAfterMs: number }>();
  #everything = 0;

  /** Number of ids held. */
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
        // Whoever reads a log of a newer server must not go on as if the entry were not there.
        throw new TypeError("a revocation of an unknown kind");
    }
  }

  /** Whether any entry hits a token with these claims; one without a number is hit by every mark. */
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

  /** Drops what can hit nothing alive any more. An `everything` entry is a number and is kept. */
  forget(nowMs: number): void {
    for (const table of [this.#tokens, this.#sessions, this.#keys, this.#users]) table.forget(nowMs);
    for (const [id, mark] of this.#clients) if (mark.forgetAfterMs < nowMs) this.#clients.delete(id);
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
