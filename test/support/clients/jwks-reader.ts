import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { AUDIENCE, ISSUER } from "../servers/server-process.ts";

/** A service that verifies access tokens by the published keys, and caches these as long as it may. */
export interface JwksReader {
  /**
   * Fetches the keys where what it has is too old; never because a token names an unknown one.
   * @param atMs by which the token's own times are judged; absent: now
   */
  verify(token: string, atMs?: number): Promise<void>;
  /** Names of the keys that it has, as of its last look. */
  readonly kids: readonly string[];
}

/** @param nowMs the time by which it keeps keys and judges tokens */
export function createJwksReader(url: () => string, nowMs: () => number): JwksReader {
  let kept: { readonly set: JSONWebKeySet; readonly untilMs: number } | undefined;

  async function keys(): Promise<JSONWebKeySet> {
    if (kept !== undefined && nowMs() <= kept.untilMs) return kept.set;
    const askedMs = nowMs();
    const response = await fetch(`${url()}/.well-known/jwks.json`);
    const [, seconds] = /max-age=(\d+)/.exec(response.headers.get("cache-control") ?? "") ?? [];
    if (!response.ok || seconds === undefined) throw new Error("the key set cannot be kept");
    kept = { set: (await response.json()) as JSONWebKeySet, untilMs: askedMs + Number(seconds) * 1_000 };
    return kept.set;
  }

  return {
    async verify(token, atMs = nowMs()) {
      const getKey = createLocalJWKSet(await keys());
      await jwtVerify(token, getKey, {
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: "at+jwt",
        currentDate: new Date(atMs),
        clockTolerance: 30,
      });
    },
    get kids() {
      return kept?.set.keys.map(({ kid = "" }) => kid) ?? [];
    },
  };
}

export function kidOf(token: string): string {
  return decodeProtectedHeader(token).kid ?? "";
}
