import { idLength, readIdWords, sixDigits } from "./id-table-words.ts";

/** The values of an ID that does not have the table's form. */
interface OddId {
  number: number;
  forgetAfterMs: number;
}

/** Words of a slot: four for the ID, and the second until which it is kept. */
const slotWords = 5;
const secondWord = 4;
const leastSlots = 16;
const mostLoad = 0.75;
/** Below this load the table shrinks. It is low enough that the next IDs do not make it grow again. */
const leastLoad = 0.25;
const latestSecond = 2 ** 32 - 1;
const thirtyBits = 2 ** 30 - 1;

/** The words of the ID that was read last. */
const shown = new Int32Array(4);

/**
 * A set of IDs, each with the time until which it is kept, and optionally a number. If an ID is added again, the greater time
 * and number stay. An ID of the form `<prefix>` and 26 characters of Crockford's base32 takes 21 bytes (29 with a number) in
 * a table that is between a quarter and three quarters full; a million take 42 MiB. Other texts are kept in a `Map`.
 */
export class IdTable {
  readonly #prefix: string;
  readonly #isNumbered: boolean;
  readonly #odd = new Map<string, OddId>();
  /** Open addressing with linear probing. The number of slots is a power of two; at least a quarter of them is free. */
  #slots = new Int32Array(0);
  /** One byte of each slot's hash; 0: the slot is free. They are small enough for the processor's cache. */
  #tags = new Uint8Array(0);
  #numbers = new Float64Array(0);
  #mask = 0;
  #count = 0;

  /**
   * @param prefix with its underscore
   * @param isNumbered whether IDs have numbers; otherwise numbers are 0
   */
  constructor(prefix: string, isNumbered = false) {
    this.#prefix = prefix;
    this.#isNumbered = isNumbered;
    this.#rebuild(leastSlots);
  }

  get size(): number {
    return this.#count + this.#odd.size;
  }

  add(id: string, forgetAfterMs: number, number = 0): void {
    if (!this.#read(id)) {
      const known = this.#odd.get(id) ?? { number, forgetAfterMs };
      known.number = Math.max(known.number, number);
      known.forgetAfterMs = Math.max(known.forgetAfterMs, forgetAfterMs);
      this.#odd.set(id, known);
      return;
    }
    const found = this.#slotOf(id);
    const slot = found >= 0 ? found : this.#newSlot();
    const at = slot * slotWords + secondWord;
    this.#slots[at] = Math.max((this.#slots[at] ?? 0) >>> 0, secondOf(forgetAfterMs));
    if (this.#isNumbered) {
      this.#numbers[slot] = found >= 0 ? Math.max(this.#numbers[slot] ?? 0, number) : number;
    }
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** The ID's number; undefined if the table does not have the ID. */
  get(id: string): number | undefined {
    if (this.#count > 0) {
      const slot = this.#slotOf(id);
      if (slot >= 0) return this.#isNumbered ? this.#numbers[slot] : 0;
    }
    return this.#odd.size > 0 ? this.#odd.get(id)?.number : undefined;
  }

  /** Drops IDs that were to be kept until a time before `nowMs`. Times are rounded up to seconds. */
  forget(nowMs: number): void {
    for (const [id, { forgetAfterMs }] of this.#odd) if (forgetAfterMs < nowMs) this.#odd.delete(id);

    const nowSecond = nowMs / 1_000;
    for (let slot = 0; slot <= this.#mask; slot++) {
      // Another id may have moved up into the slot.
      while (this.#tags[slot] !== 0 && this.#secondOf(slot) < nowSecond) this.#free(slot);
    }
    let slots = this.#mask + 1;
    while (slots > leastSlots && this.#count < leastLoad * slots) slots /= 2;
    if (slots <= this.#mask) this.#rebuild(slots);
  }

  /** Whether the text has the table's form. If so, its words are in `shown`. */
  #read(id: string): boolean {
    return (
      id.length === this.#prefix.length + idLength &&
      id.startsWith(this.#prefix) &&
      readIdWords(id, this.#prefix.length, shown)
    );
  }

  /** The slot of the ID; -1: none. It reads the whole ID only if the hash of its end matches a slot. */
  #slotOf(id: string): number {
    const tags = this.#tags;
    const mask = this.#mask;
    const end = id.length;
    if (end !== this.#prefix.length + idLength) return -1;
    const hash = hashOf(sixDigits(id, end - 12), sixDigits(id, end - 6));
    const tag = tagOf(hash);
    let isRead = false;
    for (let slot = hash & mask; tags[slot] !== 0; slot = (slot + 1) & mask) {
      if (tags[slot] !== tag) continue;
      isRead ||= this.#read(id);
      if (!isRead) return -1;
      if (this.#holdsShown(slot)) return slot;
    }
    return -1;
  }

  #holdsShown(slot: number): boolean {
    const at = slot * slotWords;
    for (let word = 0; word < secondWord; word++) if (this.#slots[at + word] !== shown[word]) return false;
    return true;
  }

  /** Takes a slot for the ID in `shown`, which is not in the table. */
  #newSlot(): number {
    if (this.#count >= mostLoad * this.#tags.length) this.#rebuild(2 * this.#tags.length);
    const slot = this.#take(hashAt(shown, 0));
    this.#slots.set(shown, slot * slotWords);
    return slot;
  }

  #take(hash: number): number {
    let slot = hash & this.#mask;
    while (this.#tags[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#tags[slot] = tagOf(hash);
    this.#count += 1;
    return slot;
  }

  /**
   * Frees a slot, and moves entries that were displaced by it forward, because a search ends at the first free slot (Knuth,
   * The Art of Computer Programming, 6.4, algorithm R).
   */
  #free(slot: number): void {
    const mask = this.#mask;
    let hole = slot;
    for (let next = (hole + 1) & mask; this.#tags[next] !== 0; next = (next + 1) & mask) {
      const home = hashAt(this.#slots, next * slotWords) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      this.#slots.copyWithin(hole * slotWords, next * slotWords, (next + 1) * slotWords);
      this.#tags[hole] = this.#tags[next] ?? 0;
      if (this.#isNumbered) this.#numbers[hole] = this.#numbers[next] ?? 0;
      hole = next;
    }
    this.#tags[hole] = 0;
    // A slot that is taken again starts at 0.
    this.#slots[hole * slotWords + secondWord] = 0;
    this.#count -= 1;
  }

  #secondOf(slot: number): number {
    return (this.#slots[slot * slotWords + secondWord] ?? 0) >>> 0;
  }

  #rebuild(count: number): void {
    const [slots, tags, numbers] = [this.#slots, this.#tags, this.#numbers];
    // Allocate everything before changing anything: an allocation can fail.
    const newSlots = new Int32Array(count * slotWords);
    const newTags = new Uint8Array(count);
    const newNumbers = new Float64Array(this.#isNumbered ? count : 0);
    this.#slots = newSlots;
    this.#tags = newTags;
    this.#numbers = newNumbers;
    this.#mask = count - 1;
    this.#count = 0;
    for (let from = 0; from < tags.length; from++) {
      if (tags[from] === 0) continue;
      const to = this.#take(hashAt(slots, from * slotWords));
      for (let word = 0; word < slotWords; word++) {
        newSlots[to * slotWords + word] = slots[from * slotWords + word] ?? 0;
      }
      if (this.#isNumbered) newNumbers[to] = numbers[from] ?? 0;
    }
  }
}

/** Rounded up. A time that is not a number gives the latest second. */
function secondOf(ms: number): number {
  return Number.isNaN(ms) ? latestSecond : Math.min(Math.ceil(ms / 1_000), latestSecond);
}

/** Never 0. It uses bits that do not choose the slot. */
function tagOf(hash: number): number {
  return (hash >>> 24) | 1;
}

function hashAt(words: Int32Array, at: number): number {
  return hashOf((words[at + 2] ?? 0) & thirtyBits, (words[at + 3] ?? 0) & thirtyBits);
}

/**
 * Hashes an ID's last 60 bits, which are random in a UUIDv7 and not chosen by a client. The mix is that of MurmurHash3 (x86,
 * 32 bits).
 */
function hashOf(c: number, d: number): number {
  let hash = Math.imul(rotate(Math.imul(c, 0xcc9e2d51), 15), 0x1b873593);
  hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
  hash = rotate(hash ^ Math.imul(rotate(Math.imul(d, 0xcc9e2d51), 15), 0x1b873593), 13);
  hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
