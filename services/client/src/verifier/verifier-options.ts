import type { FeedEvent } from "./revocation-feed.ts";

export interface VerifierOptions {
  /** The `iss` of tokens, to the letter. */
  readonly issuer: string;
  /** Whom a token must be for: one of these. */
  readonly audience: string | readonly string[];
  /** Where the key set is; absent: found by discovery (RFC 8414). Not asked for while the feed tells the keys. */
  readonly jwksUri?: string;
  /** Where to hear of revocations; `false`: a token is valid until it expires, whatever became of its session. */
  readonly revocations: RevocationsOptions | false;
  /** How old, in milliseconds, what is known of revocations may be; at most, and absent: what the issuer says, 10 s. */
  readonly maxStaleness?: number;
  /**
   * What to do with a token while the feed is older than that: `introspect` asks the issuer about each, and refuses where
   * that fails; `refuse` refuses all; `accept` goes by what is known. Absent: `introspect`.
   */
  readonly onStale?: "introspect" | "refuse" | "accept";
  /**
   * How many tokens' signatures are remembered, and at times up to twice as many; absent: 10,000, of 2 KiB each or so; 0:
   * none.
   */
  readonly cacheSize?: number;
  /** Told what becomes of the feed, for logs and metrics; of what keeps it from starting too. Must not throw. */
  readonly onEvent?: (event: FeedEvent) => void;
}

export interface RevocationsOptions {
  /** Postern's http listener; with `httpVersion: "2"`, its grpc listener. */
  readonly baseUrl: string;
  /** A secret token with the permissions `watch` and, to ask about tokens while the feed is stale, `introspect`. */
  readonly token: string;
  /** Absent: `1.1`. */
  readonly httpVersion?: "1.1" | "2";
}

/** @throws {TypeError} that names the option */
export function checkOptions(options: VerifierOptions): void {
  const { issuer, audience, jwksUri, revocations, maxStaleness = 0, onStale, cacheSize = 0 } = options;
  const audiences = typeof audience === "string" ? [audience] : audience;
  const faults: Readonly<Record<string, boolean>> = {
    "`issuer` must be the issuer's URL": !URL.canParse(issuer),
    "`audience` must name whom tokens are to be for":
      !Array.isArray(audiences) || audiences.length === 0 || audiences.some((one) => !one),
    "`jwksUri` must be a URL": jwksUri !== undefined && !URL.canParse(jwksUri),
    "`revocations` must be `{ baseUrl, token }` with a URL, or `false` to do without":
      revocations !== false && !URL.canParse(revocations?.baseUrl),
    "`revocations.token` must be a secret token of Postern; it is empty":
      revocations !== false && !revocations?.token,
    "`maxStaleness` must be a number of milliseconds": !(maxStaleness >= 0),
    '`onStale` must be "introspect", "refuse" or "accept"':
      onStale !== undefined && !["introspect", "refuse", "accept"].includes(onStale),
    "`cacheSize` must be a number of tokens": !(cacheSize >= 0),
  };
  for (const [message, isFault] of Object.entries(faults)) if (isFault) throw new TypeError(message);
}
