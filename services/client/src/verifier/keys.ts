import type { Freshness } from "./freshness.ts";
import type { JwksSource } from "./jwks.ts";
import type { KeySet, VerifyingKey } from "./key-set.ts";
import type { RevocationStream } from "./stream.ts";

/** The issuer's keys, from the stream while it is fresh, otherwise from the key set. */
export interface Keys {
  /** All known keys. */
  readonly current: KeySet | undefined;
  /**
   * The key with that ID; undefined: the issuer has none.
   * @throws {PosternError} `ERR_UNAVAILABLE` if no key set can be fetched
   */
  find(kid: string): VerifyingKey | undefined | Promise<VerifyingKey | undefined>;
  /** As `find`, without a call, among all keys that were received or fetched before. */
  findKnown(kid: string): VerifyingKey | undefined;
}

export interface KeysDeps {
  readonly jwks: JwksSource;
  readonly stream: Pick<RevocationStream, "keys"> | undefined;
  readonly freshness: Pick<Freshness, "isStale">;
}

export function createKeys({ jwks, stream, freshness }: KeysDeps): Keys {
  /** While the stream is fresh, it has all keys that there are. */
  const streamedKeys = () => (stream !== undefined && !freshness.isStale() ? stream.keys : undefined);

  async function fetchKey(kid: string): Promise<VerifyingKey | undefined> {
    try {
      return await jwks.find(kid);
    } catch (error) {
      const known = stream?.keys?.get(kid);
      if (known === undefined) throw error;
      return known;
    }
  }

  return {
    get current() {
      return streamedKeys() ?? jwks.keys ?? stream?.keys;
    },
    find(kid) {
      const streamed = streamedKeys();
      return streamed === undefined ? fetchKey(kid) : streamed.get(kid);
    },
    findKnown: (kid) => jwks.keys?.get(kid) ?? stream?.keys?.get(kid),
  };
}
