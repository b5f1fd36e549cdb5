/**
 * What is known of tokens, by their text; the ones that nobody has shown for longest go first. Found by the signature,
 * whose hash is the cheapest good one, and taken only where the whole text is the same: half of a token that is known
 * before the signature of it is another token.
 */
export class TokenCache<T extends { readonly token: string }> {
  readonly #capacity: number;
  /** Those shown since the last turn, and those shown before. */
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  /** @param capacity how many at the most; half as many surely */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(token: string): T | undefined {
    const signature = signatureOf(token);
    const young = this.#young.get(signature);
    if (young !== undefined) return young.token === token ? young : undefined;
    const old = this.#old.get(signature);
    if (old?.token !== token) return undefined;
    this.#keep(signature, old);
    return old;
  }

  set(entry: T): void {
    this.#keep(signatureOf(entry.token), entry);
  }

  #keep(signature: string, entry: T): void {
    if (this.#capacity < 1) return;
    this.#old.delete(signature);
    this.#young.set(signature, entry);
    if (this.#young.size < this.#capacity / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}

function signatureOf(token: string): string {
  return token.slice(token.lastIndexOf(".") + 1);
}
