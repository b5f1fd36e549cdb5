import type { RevocableClaims, Revocation } from "./revocation-set.ts";

/** The 26 characters of an id, behind its prefix. */
export const idBody = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** One for each number: such as are made in the same millisecond, and differ at their ends. */
export function idBodyOf(index: number): string {
  let text = "";
  for (let rest = index; text.length < 6; rest = Math.floor(rest / 32)) {
    text = "0123456789abcdefghjkmnpqrstvwxyz".charAt(rest % 32) + text;
  }
  return `01h2xcejqtf2nbrexx3v${text}`;
}

/** What `RevocationSet` is to do, said as plainly as it can be: by looking at every entry. */
export class NaiveRevocationSet {
  #entries: Revocation[] = [];

  get size(): number {
    const ids = this.#entries.map(({ target }) =>
      "id" in target ? `${target.kind} ${target.id}` : undefined,
    );
    return new Set(ids.filter((id) => id !== undefined)).size;
  }

  add(entry: Revocation): void {
    this.#entries.push(entry);
  }

  revokes({ jti, sid, kid, sub, client_id, rev }: RevocableClaims): boolean {
    const shown = { token: jti, session: sid, key: kid, user: sub, client: client_id };
    return this.#entries.some(({ target, seq }) => {
      if (target.kind === "everything") return rev < seq;
      const isMark = target.kind === "user" || target.kind === "client";
      return target.id === shown[target.kind] && (!isMark || rev < seq);
    });
  }

  /** All entries of an id live as long as the one that lives longest. */
  forget(nowMs: number): void {
    const lives = (one: Revocation) =>
      one.target.kind === "everything" ||
      this.#entries.some(({ target, forgetAfterMs }) => forgetAfterMs >= nowMs && isSame(target, one.target));
    this.#entries = this.#entries.filter(lives);
  }
}

function isSame(a: Revocation["target"], b: Revocation["target"]): boolean {
  return a.kind === b.kind && "id" in a && "id" in b && a.id === b.id;
}
