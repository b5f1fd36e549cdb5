import { createClock } from "../clock.ts";
import { maxTokenLength, readPayload, readSignedToken } from "../core/access-token.ts";
import { type AccessTokenClaims, checkClaims } from "../core/claims.ts";
import { PosternError } from "../core/postern-error.ts";
import { createIntrospection } from "./introspection.ts";
import { createJwksSource } from "./jwks-source.ts";
import type { KeySet, VerifyingKey } from "./key-set.ts";
import type { JudgedClaims } from "./log-copy.ts";
import { connectPostern } from "./postern-connection.ts";
import { type FeedEvent, openRevocationFeed, type RevocationFeed } from "./revocation-feed.ts";
import { TokenCache } from "./token-cache.ts";
import { checkSignature, feedIsStale, keyIsUnknown, tokenIsRevoked } from "./token-refusals.ts";
import { readOptions, type VerifierOptions } from "./verifier-options.ts";

/** Who shows a token. Frozen, and as long as the token is remembered the same object. */
export interface VerifiedToken {
  /** The user: `usr_…`. */
  readonly subject: string;
  /** The client that the user logged in through. */
  readonly clientId: string;
  /** `ses_…`. */
  readonly sessionId: string;
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  readonly audience: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly claims: AccessTokenClaims;
}

export interface VerifierState {
  /** `off`: without revocations. `starting`: not in step so far. */
  readonly feed: "off" | "starting" | "in_step" | "stale";
  /** How old what is known of revocations may be, in milliseconds; `Infinity` while it is not known whole. */
  readonly lagMs: number;
  /** Number of the log's last entry that is known. */
  readonly sequence: number;
  /** Revocations in memory. */
  readonly revocations: number;
  /** Names of the keys that are known. */
  readonly kids: readonly string[];
}

/** Verifies access tokens without a call. */
export interface Verifier extends AsyncDisposable {
  /**
   * @throws {PosternError} with a `code`: `ERR_FEED_STALE` and `ERR_UNAVAILABLE` say nothing of the token (answer 503),
   * all others that it is not to be accepted (answer 401)
   */
  verify(token: string): Promise<VerifiedToken>;
  /**
   * Resolves once keys and revocations are known, or the verifier is closed; worth waiting for before a server listens.
   * Without revocations it rejects with `ERR_UNAVAILABLE` where the keys cannot be had.
   */
  readonly ready: Promise<void>;
  readonly state: VerifierState;
  /** Ends the feed; what is known from it soon is too old. */
  close(): Promise<void>;
}

/** A token whose signature is right. */
interface OpenToken {
  readonly token: string;
  readonly key: VerifyingKey;
  readonly verified: VerifiedToken;
  /** The claims as a plain object, which is faster to read than one without a prototype. It has every claim that is checked. */
  readonly judged: AccessTokenClaims & JudgedClaims;
}

/** So long after its start a verifier lets calls wait for the feed, rather than take it for stale. */
const startMs = 5_000;
/**
 * Starts to follow the issuer immediately, and continues until it is closed.
 * @throws {TypeError} that names the option that is missing, invalid or unknown
 */
export function createVerifier(given: VerifierOptions): Verifier {
  const options = readOptions(given);
  const { issuer, revocations, onStale = "introspect" } = options;
  const audience = typeof options.audience === "string" ? [options.audience] : [...options.audience];
  const clock = createClock();
  const jwks = createJwksSource({ issuer, jwksUri: options.jwksUri, fetch, elapsedMs: clock.nowMs });
  const connection = revocations === false ? undefined : connectPostern(revocations);
  function onEvent(event: FeedEvent): void {
    try {
      options.onEvent?.(event);
    } catch {
      // A log that fails is no reason not to hear of revocations.
    }
  }
  const feed = connection && openRevocationFeed({ ...connection, clock, random: Math.random, onEvent });
  const cache = new TokenCache<OpenToken>(2 * (options.cacheSize ?? 10_000));
  const startedBy = clock.nowMs() + startMs;
  let isStarting = feed !== undefined;
  const ready = feed === undefined ? jwks.find("").then(() => {}) : feed.started;
  ready.then(
    () => {
      isStarting = false;
    },
    () => {},
  );

  function isStale({ log }: RevocationFeed): boolean {
    const limitMs = Math.min(options.maxStaleness ?? Number.POSITIVE_INFINITY, log.maxStalenessMs);
    // Written so that an age that is no number is too old.
    return !(log.ageMs(clock.nowMs()) <= limitMs);
  }

  /**
   * The machine's time, but never earlier than what the feed has told of the database's: the log forgets what can hit
   * nothing alive by that, so nothing that it may have forgotten is alive here.
   */
  const nowSeconds = () => Math.max(Date.now(), feed?.log.asOfMs ?? 0) / 1_000;

  const checkHere = (claims: AccessTokenClaims) =>
    checkClaims(claims, { issuer, audience, nowSeconds: nowSeconds() });
  const introspection =
    connection && onStale === "introspect"
      ? createIntrospection({
          introspect: connection.introspect,
          findKnownKey: (kid) => jwks.keys?.get(kid) ?? feed?.keys?.get(kid),
          findKey: jwks.find,
          checkClaims: checkHere,
          nowMs: clock.nowMs,
        })
      : undefined;

  async function verify(token: string): Promise<VerifiedToken> {
    checkIsText(token);
    if (feed !== undefined && isStale(feed)) {
      if (isStarting) await within(startedBy - clock.nowMs(), feed.started);
      if (isStale(feed)) {
        if (introspection !== undefined) return describe(await introspection(token));
        if (onStale !== "accept") throw feedIsStale();
      }
    }
    const { verified, judged } = await open(token);
    checkHere(judged);
    if (feed?.log.revokes(judged)) throw tokenIsRevoked();
    return verified;
  }

  async function open(token: string): Promise<OpenToken> {
    const known = cache.get(token);
    // A key that is gone, or is another now, has signed nothing.
    if (known !== undefined && (await findKey(known.key.kid)) === known.key) return known;
    const signed = readSignedToken(token);
    const key = await findKey(signed.header.kid);
    if (key === undefined) throw keyIsUnknown();
    checkSignature(signed, key);
    const claims = readPayload(signed);
    const opened = { token, key, verified: describe(claims), judged: { ...claims, kid: key.kid } };
    cache.set(opened);
    return opened;
  }

  /** The feed tells all keys there are, for as long as it tells anything. */
  const toldKeys = (): KeySet | undefined => (feed !== undefined && !isStale(feed) ? feed.keys : undefined);
  const currentKeys = (): KeySet | undefined => toldKeys() ?? jwks.keys ?? feed?.keys;

  function findKey(kid: string): VerifyingKey | undefined | Promise<VerifyingKey | undefined> {
    const told = toldKeys();
    return told === undefined ? fetchKey(kid) : told.get(kid);
  }

  async function fetchKey(kid: string): Promise<VerifyingKey | undefined> {
    try {
      return await jwks.find(kid);
    } catch (error) {
      const kept = feed?.keys?.get(kid);
      if (kept === undefined) throw error;
      return kept;
    }
  }

  function feedState(): VerifierState["feed"] {
    if (feed === undefined) return "off";
    if (!isStale(feed)) return "in_step";
    return isStarting ? "starting" : "stale";
  }

  async function close(): Promise<void> {
    await feed?.[Symbol.asyncDispose]();
  }

  return {
    verify,
    ready,
    get state() {
      return {
        feed: feedState(),
        lagMs: feed?.log.ageMs(clock.nowMs()) ?? Number.POSITIVE_INFINITY,
        sequence: feed?.log.sequence ?? 0,
        revocations: feed?.log.size ?? 0,
        kids: [...(currentKeys()?.keys() ?? [])],
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Tokens come from outside: nothing says that they are texts. */
function checkIsText(token: unknown): void {
  if (typeof token === "string" && token.length <= maxTokenLength) return;
  const message = `not an access token of Postern: no text of at most ${maxTokenLength} characters`;
  throw new PosternError("ERR_TOKEN_MALFORMED", message);
}

function describe(claims: AccessTokenClaims): VerifiedToken {
  const frozen = deepFreeze(claims);
  return Object.freeze({
    subject: claims.sub,
    clientId: claims.client_id,
    sessionId: claims.sid,
    scope: Object.freeze(claims.scope === "" ? [] : claims.scope.split(" ")),
    roles: frozen.roles ?? Object.freeze([]),
    audience: frozen.aud,
    expiresAt: claims.exp,
    claims: frozen,
  });
}

/** Shared by all who show the token: nobody may change it for the others. */
function deepFreeze(claims: AccessTokenClaims): AccessTokenClaims {
  for (const value of Object.values(claims)) Object.freeze(value);
  return Object.freeze(claims);
}

async function within(ms: number, outcome: Promise<unknown>): Promise<void> {
  if (ms <= 0) return;
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    outcome,
    new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}
