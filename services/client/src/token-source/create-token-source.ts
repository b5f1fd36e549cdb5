import { createClock } from "../clock.ts";
import { keepToken } from "./cached-token.ts";
import type { TokenProvider, TokenSource } from "./token-source.ts";

/**
 * Creates a source that always has a valid access token: it caches the provider's token and renews it before it expires.
 * It makes no request before the first call of `token()`, and keeps no timer or connection open.
 *
 * @example
 * ```ts
 * import { createTokenSource, posternSession } from "@postern/client";
 *
 * const source = createTokenSource(
 *   posternSession({
 *     baseUrl: "https://auth.example.com",
 *     token: "ptn_st_…",
 *     login: { identifier: "billing", password: "correct horse battery staple" },
 *   }),
 * );
 * await fetch("https://orders.example.com/", {
 *   headers: { authorization: `Bearer ${await source.token()}` },
 * });
 * ```
 */
export function createTokenSource(provider: TokenProvider): TokenSource {
  return keepToken(provider, { elapsedMs: createClock().nowMs, random: Math.random });
}
