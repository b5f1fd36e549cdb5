import { createClock } from "../clock.ts";
import { type AccessTokenClaims, checkClaims } from "../core/claims.ts";
import { createFreshness } from "./freshness.ts";
import { createIntrospectFallback } from "./introspect-fallback.ts";
import { createJwksSource } from "./jwks.ts";
import { createKeys } from "./keys.ts";
import { connectPostern } from "./postern-connection.ts";
import { type FeedEvent, openRevocationStream } from "./stream.ts";
import { feedIsStale, tokenIsRevoked } from "./token-refusals.ts";
import type { VerifiedToken, Verifier } from "./verifier.ts";
import { readOptions, type VerifierOptions } from "./verifier-options.ts";
import { checkIsText, createTokenOpener, describeToken } from "./verify-token.ts";

/**
 * Creates a verifier. It connects to the issuer immediately, and reconnects until it is closed.
 *
 * @throws {TypeError} naming the option that is missing, invalid or unknown
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * await verifier.ready;
 * const { subject } = await verifier.verify("eyJ…");
 * ```
 */
export function createVerifier(given: VerifierOptions): Verifier {
  const options = readOptions(given);
  const { issuer, jwksUri, revocations, maxStaleness, cacheSize = 10_000, onStale = "introspect" } = options;
  const audience = typeof options.audience === "string" ? [options.audience] : [...options.audience];
  const clock = createClock();
  const onEvent = guarded(options.onEvent);
  const connection = revocations === false ? undefined : connectPostern(revocations);
  const stream = connection && openRevocationStream({ ...connection, clock, random: Math.random, onEvent });
  const jwks = createJwksSource({ issuer, jwksUri, fetch, elapsedMs: clock.nowMs });
  const freshness = createFreshness({ clock, stream, maxStalenessMs: maxStaleness });
  const keys = createKeys({ jwks, stream, freshness });
  const open = createTokenOpener(keys, cacheSize);
  const ready = stream === undefined ? jwks.find("").then(() => {}) : stream.started;
  ready.catch(() => {});

  /**
   * Checks claims at this machine's time, but never at a time before the database's time of the last checkpoint. The log
   * drops entries whose tokens have expired by that time, so these tokens must count as expired here too.
   */
  function checkNow(claims: AccessTokenClaims): void {
    const nowSeconds = Math.max(Date.now(), stream?.log.asOfMs ?? 0) / 1_000;
    checkClaims(claims, { issuer, audience, nowSeconds });
  }
  const introspect =
    connection && onStale === "introspect"
      ? createIntrospectFallback({
          introspect: connection.introspect,
          findKnownKey: keys.findKnown,
          findKey: jwks.find,
          checkClaims: checkNow,
          nowMs: clock.nowMs,
        })
      : undefined;

  async function verify(token: string): Promise<VerifiedToken> {
    checkIsText(token);
    if (freshness.isStale()) await freshness.whenStarted();
    if (freshness.isStale()) {
      if (introspect !== undefined) return describeToken(await introspect(token));
      if (onStale !== "accept") throw feedIsStale();
    }
    const { verified, checked } = await open(token);
    checkNow(checked);
    if (stream?.log.revokes(checked)) throw tokenIsRevoked();
    return verified;
  }
  const close = async () => stream?.[Symbol.asyncDispose]();

  return {
    verify,
    ready,
    get state() {
      return {
        feed: freshness.state,
        lagMs: stream?.log.ageMs(clock.nowMs()) ?? Number.POSITIVE_INFINITY,
        sequence: stream?.log.sequence ?? 0,
        revocations: stream?.log.size ?? 0,
        kids: [...(keys.current?.keys() ?? [])],
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A callback that throws must not end the stream of revocations. */
function guarded(onEvent: VerifierOptions["onEvent"]): (event: FeedEvent) => void {
  return (event) => {
    try {
      onEvent?.(event);
    } catch {
      // The caller's problem.
    }
  };
}
