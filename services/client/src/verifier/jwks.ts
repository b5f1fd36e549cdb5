import { ownMembers } from "../core/own-members.ts";
import { PosternError } from "../core/postern-error.ts";
import { type KeySet, readKeySet, type VerifyingKey } from "./key-set.ts";

export interface JwksSourceDeps {
  readonly issuer: string;
  /** Undefined: use discovery. */
  readonly jwksUri: string | undefined;
  readonly fetch: typeof fetch;
  /** Milliseconds of an `ElapsedClock`. */
  readonly elapsedMs: () => number;
}

/** The issuer's key set, fetched by HTTP. */
export interface JwksSource {
  /** The keys of the last successful fetch. */
  readonly keys: KeySet | undefined;
  /**
   * Returns the key with that ID; undefined: the issuer has none.
   * @throws {PosternError} `ERR_UNAVAILABLE` if no key set could be fetched, or none that is new enough to have the key
   */
  find(kid: string): Promise<VerifyingKey | undefined>;
}

/** For a key set without `max-age`. */
const defaultMaxAgeMs = 300_000;
/** Limits `max-age`, because removed keys must disappear here too. */
const maxMaxAgeMs = 3_600_000;
/** Minimum time between fetches, for unknown key IDs and for an issuer that does not answer. */
const coolDownMs = 10_000;
/** The same, before the first key set. */
const firstCoolDownMs = 1_000;
const timeoutMs = 5_000;
const maxBytes = 64 * 1024;
/** RFC 8259 section 8.1: text that is not UTF-8 is an error, and its invalid bytes are not replaced. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Fetches the key set (RFC 7517) at the first use, when it is older than its `Cache-Control` allows, and when a token names a
 * key that it lacks. There is one fetch at a time. If a fetch fails, the last valid set stays in use.
 */
export function createJwksSource({ issuer, jwksUri, fetch, elapsedMs }: JwksSourceDeps): JwksSource {
  /** The URL from discovery. It is discarded if the fetch fails. */
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
    const maxAgeMs = maxAge === undefined ? defaultMaxAgeMs : Math.min(Number(maxAge) * 1_000, maxMaxAgeMs);
    return { text: await readText(response, url), maxAgeMs };
  }

  async function load(): Promise<void> {
    found ??= jwksUri ?? (await discover());
    const { text, maxAgeMs } = await get(found);
    const read = readKeySet(text, keys);
    if (read === undefined) throw new Error(`${found} has no key that can verify access tokens`);
    keys = read;
    goodUntilMs = triedAtMs + Math.max(maxAgeMs, coolDownMs);
  }

  /** RFC 8414 section 3. */
  async function discover(): Promise<string> {
    const url = metadataUrl(issuer);
    const parsed = JSON.parse((await get(url)).text) as { issuer?: unknown; jwks_uri?: unknown } | null;
    const metadata = ownMembers(parsed ?? {});
    // Otherwise an attacker who can answer here could make us trust other keys (section 3.3).
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
        // The first call that finds the set too old waits for the fetch. If it fails, later calls do not wait.
        const waits = keys === undefined || triedAtMs < goodUntilMs;
        const refreshed = refresh();
        if (waits) await refreshed;
      }
      if (keys !== undefined && !keys.has(kid)) await refresh();
      const key = keys?.get(kid);
      // An old set without the key proves nothing if no newer one can be fetched.
      if (keys === undefined || (key === undefined && fault !== undefined)) {
        throw new PosternError("ERR_UNAVAILABLE", "the issuer's keys cannot be fetched", { cause: fault });
      }
      return key;
    },
  };
}

/** The URL of the issuer's metadata: the issuer's path comes after the well-known path (section 3.1). */
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
