import { createClock } from "../clock.ts";
import { keepToken } from "./cached-token.ts";
import type { TokenProvider, TokenSource } from "./token-source.ts";

/** Asks for nothing until it is asked itself, and holds nothing open. */
export function createTokenSource(origin: TokenProvider): TokenSource {
  return keepToken(origin, { elapsedMs: createClock().nowMs, random: Math.random });
}
