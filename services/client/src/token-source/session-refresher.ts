import type { TokenSet } from "@postern/proto/postern/auth/v1/session_pb.js";
import { PosternError } from "../core/postern-error.ts";
import { toSdkError } from "./errors.ts";
import type { PosternSessionOptions } from "./session-options.ts";
import type { ObtainedToken, TokenProvider } from "./token-source.ts";
import { Unavailable } from "./unavailable.ts";

/** The calls to Postern. Undefined: an outcome that this version of the library does not know. */
export interface SessionCalls {
  readonly refresh: (refreshToken: string, requestId: string) => Promise<TokenSet | undefined>;
  readonly login: () => Promise<TokenSet | undefined>;
}

export interface SessionDeps {
  readonly newRequestId: () => string;
  /** A random number from 0 to 1. */
  readonly random: () => number;
  readonly delay: (ms: number) => Promise<void>;
}

interface Session {
  readonly refreshToken: string;
  /**
   * Sent with every attempt to refresh. If the answer was lost, a retry gets the same answer, until the new refresh token is
   * used.
   */
  readonly requestId: string;
  /** Whether `onRefreshToken` has stored it. */
  isStored: boolean;
}

/** Maximum attempts of a call. The delay between them doubles; a server may request a longer one, up to the maximum. */
const maxAttempts = 3;
const firstRetryDelayMs = 100;
const maxRetryDelayMs = 2_000;

export function keepSession(
  options: Pick<PosternSessionOptions, "login" | "refreshToken" | "onRefreshToken">,
  calls: SessionCalls,
  { newRequestId, random, delay }: SessionDeps,
): TokenProvider {
  const { onRefreshToken = () => {} } = options;
  let session = options.refreshToken ? newSession(options.refreshToken, true) : undefined;

  function newSession(refreshToken: string, isStored: boolean): Session {
    return { refreshToken, requestId: newRequestId(), isStored };
  }

  async function store(): Promise<void> {
    if (session === undefined || session.isStored) return;
    try {
      await onRefreshToken(session.refreshToken);
    } catch (cause) {
      throw new Unavailable("the refresh token could not be stored", { cause });
    }
    session.isStored = true;
  }

  async function refresh({ refreshToken, requestId }: Session): Promise<ObtainedToken> {
    await store();
    return take(await withRetries(() => calls.refresh(refreshToken, requestId)));
  }

  async function take(tokens: TokenSet | undefined): Promise<ObtainedToken> {
    if (!tokens?.accessToken || !tokens.refreshToken) {
      throw new PosternError(
        "ERR_LOGIN_REFUSED",
        "the login needs more than a password, which this version does not support",
      );
    }
    const { accessToken, refreshToken, expiresIn } = tokens;
    if (refreshToken !== session?.refreshToken) session = newSession(refreshToken, false);
    await store();
    return { accessToken, expiresInMs: expiresIn * 1_000 };
  }

  async function withRetries<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        const refusal = toSdkError(error);
        const retryAfterMs = refusal instanceof Unavailable ? refusal.retryAfterMs : Number.POSITIVE_INFINITY;
        if (attempt === maxAttempts || retryAfterMs > maxRetryDelayMs) throw refusal;
        await delay(Math.max(retryAfterMs, firstRetryDelayMs * 2 ** (attempt - 1)) * (1 + random()));
      }
    }
  }

  return {
    async obtain() {
      if (session !== undefined) {
        try {
          return await refresh(session);
        } catch (error) {
          const isOver = error instanceof PosternError && error.code === "ERR_SESSION_ENDED";
          if (!isOver) throw error;
          session = undefined;
          if (options.login === undefined) throw error;
        }
      }
      if (options.login === undefined) throw new PosternError("ERR_SESSION_ENDED", "the session has ended");
      return take(await withRetries(calls.login));
    },
  };
}
