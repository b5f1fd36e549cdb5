import { createClock } from "../clock.ts";
import { maxTokenLength, readPayload, readSignedToken, type SignedToken } from "../core/access-token.ts";
import { type AccessTokenClaims, checkClaims } from "../core/claims.ts";
import { PosternError } from "../core/postern-error.ts";
import { createAllowance } from "./allowance.ts";
import { createJwksSource } from "./jwks-source.ts";
import type { KeySet, VerifyingKey } from "./key-set.ts";
import type { JudgedClaims } from "./log-copy.ts";
import { connectPostern, type PosternConnection } from "./postern-connection.ts";
import { type FeedEvent, openRevocationFeed, type RevocationFeed } from "./revocation-feed.ts";
import { TokenCache } from "./token-cache.ts";
import { checkOptions, type VerifierOptions } from "./verifier-options.ts";

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
  readonly judged: JudgedClaims;
}

/** So long after its start a verifier lets calls wait for the feed, rather than take it for stale. */
const startMs = 5_000;
/** So many tokens a second are asked about whose key cannot be had. Anybody can make such tokens. */
const unverifiedPerSecond = 10;

/** Begins to follow the issuer at once, and goes on until it is closed. */
export function createVerifier(options: VerifierOptions): Verifier {
  checkOptions(options);
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
  const mayAskUnverified = createAllowance(unverifiedPerSecond, 1_000, clock.nowMs);
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

  async function verify(token: string): Promise<VerifiedToken> {
    checkIsText(token);
    if (feed !== undefined && isStale(feed)) {
      if (isStarting) await within(startedBy - clock.nowMs(), feed.started);
      if (isStale(feed)) {
        if (onStale === "introspect") return introspected(token);
        if (onStale !== "accept") throw stale();
      }
    }
    const { verified, judged } = await open(token);
    checkClaims(verified.claims, { issuer, audience, nowSeconds: nowSeconds() });
    if (feed?.log.revokes(judged)) throw revoked();
    return verified;
  }

  async function open(token: string): Promise<OpenToken> {
    const known = cache.get(token);
    // A key that is gone, or is another now, has signed nothing.
    if (known !== undefined && (await findKey(known.key.kid)) === known.key) return known;
    const signed = readSignedToken(token);
    const key = await findKey(signed.header.kid);
    if (key === undefined) throw keyUnknown();
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

  /** The issuer judges revocation, of which it knows more than we do; the rest is judged here. */
  async function introspected(token: string): Promise<VerifiedToken> {
    const signed = readSignedToken(token);
    const key = await keyWhileStale(signed.header.kid);
    if (key === undefined) return introspectedWithoutKey(token, signed);
    // Spares the issuer what is forged.
    checkSignature(signed, key);
    const claims = readPayload(signed);
    checkClaims(claims, { issuer, audience, nowSeconds: nowSeconds() });
    if ((await askIssuer(token)) !== claims.jti) throw revoked();
    return describe(claims);
  }

  /** The issuer judges the signature as well. */
  async function introspectedWithoutKey(token: string, signed: SignedToken): Promise<VerifiedToken> {
    if (!mayAskUnverified()) {
      const message = "the feed of revocations is stale, and the key of the token cannot be had";
      throw new PosternError("ERR_UNAVAILABLE", message);
    }
    const tokenId = await askIssuer(token);
    if (tokenId === undefined) throw revoked();
    const claims = readPayload(signed);
    checkClaims(claims, { issuer, audience, nowSeconds: nowSeconds() });
    if (tokenId !== claims.jti) throw revoked();
    return describe(claims);
  }

  /**
   * A key of before is good enough: the issuer judges as well. One that is not known is looked up in the key set, which
   * is fetched once for all who wait and not often, so that nobody can cause a call by each token he makes up.
   * @returns undefined where the key set cannot be had
   * @throws {PosternError} `ERR_KEY_UNKNOWN`
   */
  async function keyWhileStale(kid: string): Promise<VerifyingKey | undefined> {
    const known = jwks.keys?.get(kid) ?? feed?.keys?.get(kid);
    if (known !== undefined) return known;
    let found: VerifyingKey | undefined;
    try {
      found = await jwks.find(kid);
    } catch {
      return undefined;
    }
    if (found === undefined) throw keyUnknown();
    return found;
  }

  /** @returns the token's id, where it is active */
  async function askIssuer(token: string): Promise<string | undefined> {
    try {
      return await (connection as PosternConnection).introspect(token);
    } catch (cause) {
      const message =
        "the feed of revocations is stale, and the issuer gives no verdict: see the error's cause";
      throw new PosternError("ERR_UNAVAILABLE", message, { cause });
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

/** The key says the algorithm; the token only has to agree (RFC 8725 section 3.1). */
function checkSignature({ header, signingInput, signature }: SignedToken, key: VerifyingKey): void {
  if (key.alg === header.alg && key.verify(signingInput, signature)) return;
  throw new PosternError("ERR_TOKEN_INVALID", "the access token is refused: its signature is wrong");
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

function keyUnknown(): PosternError {
  return new PosternError("ERR_KEY_UNKNOWN", "signed by a key that the issuer does not name");
}

function revoked(): PosternError {
  return new PosternError("ERR_TOKEN_REVOKED", "the access token is refused: it was ended before its time");
}

function stale(): PosternError {
  return new PosternError("ERR_FEED_STALE", "what is known of revocations is too old to judge by");
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
