import { createClock } from "../clock.ts";
import { keepToken } from "./keep-token.ts";
import type { TokenOrigin, TokenSource } from "./token-source.ts";

/** Asks for nothing until it is asked itself, and holds nothing open. */
export function createTokenSource(origin: TokenOrigin): TokenSource {
  return keepToken(origin, { elapsedMs: createClock().nowMs, random: Math.random });
}
