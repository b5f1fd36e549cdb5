import type { AccessTokenClaims } from "../core/claims.ts";

/** The owner of a verified token. Frozen. While the token is in the cache, it is the same object. */
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

/** What a verifier knows, for health checks and metrics. */
export interface VerifierState {
  /**
   * `off`: without revocations. `starting`: not synced since the start. `synced`: all revocations are known. `stale`: the
   * revocations are older than `maxStaleness`.
   */
  readonly feed: "off" | "starting" | "synced" | "stale";
  /** Maximum age of the known revocations, in milliseconds; `Infinity` while they are not complete. */
  readonly lagMs: number;
  /** Number of the last known entry of the revocation log. */
  readonly sequence: number;
  /** Number of revocations in memory. */
  readonly revocations: number;
  /** Key IDs of the known keys. */
  readonly kids: readonly string[];
}

/** Verifies access tokens without a call. */
export interface Verifier extends AsyncDisposable {
  /**
   * Verifies a token.
   *
   * @throws {PosternError} with a `code`. `ERR_FEED_STALE` and `ERR_UNAVAILABLE` say nothing about the token (answer 503).
   * With any other code the token must not be accepted (answer 401)
   * @example
   * ```ts
   * const { subject, scope } = await verifier.verify(token);
   * ```
   */
  verify(token: string): Promise<VerifiedToken>;
  /**
   * Resolves once keys and revocations are known, or the verifier is closed. Wait for it before your server listens.
   * Without revocations it rejects with `ERR_UNAVAILABLE` if the keys cannot be fetched.
   */
  readonly ready: Promise<void>;
  readonly state: VerifierState;
  /** Ends the stream of revocations. What the verifier knows then becomes stale. */
  close(): Promise<void>;
}
