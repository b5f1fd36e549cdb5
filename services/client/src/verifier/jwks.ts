import { ownMembers } from "../core/own-members.ts";
import { PosternError } from "../core/postern-error.ts";
import { type KeySet, readKeySet, type VerifyingKey } from "./key-set.ts";

export interface JwksSourceDeps {
  readonly issuer: string;
  /** Undefined: found by discovery. */
  readonly jwksUri: string | undefined;
  readonly fetch: typeof fetch;
  /** Milliseconds of an `ElapsedClock`. */
  readonly elapsedMs: () => number;
}

/** The issuer's keys, fetched. */
export interface JwksSource {
  /** The keys fetched last. */
  readonly keys: KeySet | undefined;
  /**
   * The key of that name; undefined: the issuer has none.
   * @throws {PosternError} `ERR_UNAVAILABLE` where no key set could be had so far, nor a newer one that may have the key
   */
  find(kid: string): Promise<VerifyingKey | undefined>;
}

/** A set that says nothing of its age. */
const defaultMaxAgeMs = 300_000;
/** However long a set says that it holds: a key must be gone from here in the end. */
const longestMaxAgeMs = 3_600_000;
/** Names that are in no set make nobody fetch more often than this; nor does an issuer that does not answer. */
const coolDownMs = 10_000;
/** The same while there is no set at all. */
const firstCoolDownMs = 1_000;
const timeoutMs = 5_000;
const maxBytes = 64 * 1024;
/** RFC 8259 section 8.1: text that is not UTF-8 is an error, and its invalid bytes are not replaced. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Fetches the key set (RFC 7517) when it is first wanted, when it is as old as its `Cache-Control` allows, and when a
 * token names a key that it lacks. One fetch at a time. The last good set is kept while none can be had.
 */
export function createJwksSource({ issuer, jwksUri, fetch, elapsedMs }: JwksSourceDeps): JwksSource {
  /** Where discovery has found the set; forgotten when it cannot be had there. */
  let found: string | undefined;
  let keys: KeySet | undefined;
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let fault: unknown;
  let fetching: Promise<void> | undefined;

  async function get(url: string): Promise<{ text: string; maxAgeMs: number }> {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = ownMembers({ accept: "application/json" });
    const response = await fetch(url, ownMembers({ redirect: "error" as const, signal, headers }));
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`${url} answered ${response.status}`);
    }
    const maxAge = /(?:^|[\s,])max-age=(\d{1,9})/.exec(response.headers.get("cache-control") ?? "")?.[1];
    const maxAgeMs =
      maxAge === undefined ? defaultMaxAgeMs : Math.min(Number(maxAge) * 1_000, longestMaxAgeMs);
    return { text: await readText(response, url), maxAgeMs };
  }

  async function load(): Promise<void> {
    found ??= jwksUri ?? (await discover());
    const { text, maxAgeMs } = await get(found);
    const read = readKeySet(text, keys);
    if (read === undefined) throw new Error(`${found} answered with no key to verify access tokens with`);
    keys = read;
    goodUntilMs = triedAtMs + Math.max(maxAgeMs, coolDownMs);
  }

  /** RFC 8414 section 3. */
  async function discover(): Promise<string> {
    const url = metadataUrl(issuer);
    const parsed = JSON.parse((await get(url)).text) as { issuer?: unknown; jwks_uri?: unknown } | null;
    const metadata = ownMembers(parsed ?? {});
    // Metadata of another issuer: who can answer here could have us trust keys of his own (section 3.3).
    if (metadata.issuer !== issuer) throw new Error(`${url} belongs to another issuer`);
    const uri = metadata.jwks_uri;
    if (typeof uri !== "string" || !URL.canParse(uri)) throw new Error(`${url} names no jwks_uri`);
    if (new URL(uri).protocol !== "https:" && new URL(issuer).protocol === "https:") {
      throw new Error(`${url} names a jwks_uri without TLS`);
    }
    return uri;
  }

  function refresh(): Promise<void> {
    if (fetching !== undefined) return fetching;
    if (elapsedMs() - triedAtMs < (keys === undefined ? firstCoolDownMs : coolDownMs))
      return Promise.resolve();
    triedAtMs = elapsedMs();
    fetching = load()
      .then(
        () => {
          fault = undefined;
        },
        (error: unknown) => {
          fault = error;
          found = undefined;
        },
      )
      .finally(() => {
        fetching = undefined;
      });
    return fetching;
  }

  return {
    get keys() {
      return keys;
    },
    async find(kid) {
      if (elapsedMs() >= goodUntilMs) {
        // Who finds the set too old waits for the next one; while that does not come, nobody else does.
        const waits = keys === undefined || triedAtMs < goodUntilMs;
        const refreshed = refresh();
        if (waits) await refreshed;
      }
      if (keys !== undefined && !keys.has(kid)) await refresh();
      const key = keys?.get(kid);
      // That an older set lacks it says nothing of a key, where no newer one can be had.
      if (keys === undefined || (key === undefined && fault !== undefined)) {
        throw new PosternError("ERR_UNAVAILABLE", "the issuer's keys cannot be had", { cause: fault });
      }
      return key;
    },
  };
}

/** Where an issuer tells of itself: its path stands behind the well-known name (section 3.1). */
function metadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`;
}

async function readText(response: Response, url: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > maxBytes) throw new Error(`${url} answered with more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return utf8.decode(Buffer.concat(pieces));
}
