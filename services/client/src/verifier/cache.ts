/**
 * A cache by the whole text of a token, which drops the least recently used entries. The map's key is the signature, because
 * a short random text is cheap to hash. An entry is used only if its whole text is equal: another payload with the same
 * signature is another token.
 */
export class TokenCache<T extends { readonly token: string }> {
  readonly #capacity: number;
  /** Entries used since the generations were last swapped, and those used before. */
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  /** @param capacity maximum number of entries. Half of it is always kept */
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
