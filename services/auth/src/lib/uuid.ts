/** What making IDs depends on. */
export interface IdSources {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Returns bytes from a cryptographic source. */
  readonly random: (length: number) => Uint8Array;
}

const counterMax = 0xfff;

/**
 * Makes UUIDv7 (RFC 9562 section 5.7) that increase within this process, also within a millisecond and after the clock was
 * set back.
 *
 * `rand_a` is a counter (section 6.2, method 1). Each millisecond starts it at a random number in its lower half. When it is
 * used up, the ID's time is ahead of the clock by a millisecond.
 */
export function createNewId({ now, random }: IdSources): () => string {
  let time = -1;
  let counter = 0;

  return () => {
    const bytes = random(10);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const seed = view.getUint16(0) & (counterMax >> 1);

    const clock = now();
    if (clock > time) {
      time = clock;
      counter = seed;
    } else if (counter < counterMax) {
      counter++;
    } else {
      time++;
      counter = seed;
    }

    const id = new Uint8Array(16);
    const idView = new DataView(id.buffer);
    idView.setUint16(0, Math.floor(time / 2 ** 32));
    idView.setUint32(2, time % 2 ** 32);
    idView.setUint16(6, 0x7000 | counter);
    id.set(bytes.subarray(2), 8);
    idView.setUint8(8, 0x80 | (idView.getUint8(8) & 0x3f));
    return uuidFromBytes(id);
  };
}

/**
 * @returns its 16 bytes
 * @throws {TypeError} if the text is not a UUID in its canonical lower-case form
 */
export function uuidToBytes(uuid: string): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(uuid.replaceAll("-", ""), "hex"));
  if (bytes.length !== 16 || uuidFromBytes(bytes) !== uuid) throw new TypeError("not a canonical UUID");
  return bytes;
}

/** @returns the canonical form of 16 bytes */
export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
