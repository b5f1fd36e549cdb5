import type { TokenSet } from "@postern/proto/postern/auth/v1/session_pb.js";
import { PosternError } from "../core/postern-error.ts";
import { toSdkError } from "./errors.ts";
import type { PosternSessionOptions } from "./session-options.ts";
import type { ObtainedToken, TokenProvider } from "./token-source.ts";
import { Unavailable } from "./unavailable.ts";

/** What is asked of Postern. Undefined: an answer of a kind that this version does not know. */
export interface SessionCalls {
  readonly refresh: (refreshToken: string, requestId: string) => Promise<TokenSet | undefined>;
  readonly login: () => Promise<TokenSet | undefined>;
}

export interface SessionDeps {
  readonly newRequestId: () => string;
  /** 0 to 1, evenly. */
  readonly random: () => number;
  readonly delay: (ms: number) => Promise<void>;
}

interface Session {
  readonly refreshToken: string;
  /**
   * Sent with every try to spend the refresh token: a try whose answer was lost is answered again, however late, as
   * long as its successor was not used.
   */
  readonly requestId: string;
  /** Whether the user of this package has it. */
  isStored: boolean;
}

/** How often a call is tried, and how long to rest between two tries, at most: twice as long each time. */
const tries = 3;
const firstRestMs = 100;
const longestRestMs = 2_000;

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
    return take(await patiently(() => calls.refresh(refreshToken, requestId)));
  }

  async function take(tokens: TokenSet | undefined): Promise<ObtainedToken> {
    if (!tokens?.accessToken || !tokens.refreshToken) {
      throw new PosternError(
        "ERR_LOGIN_REFUSED",
        "Postern wants more than a password, which this version cannot give",
      );
    }
    const { accessToken, refreshToken, expiresIn } = tokens;
    if (refreshToken !== session?.refreshToken) session = newSession(refreshToken, false);
    await store();
    return { accessToken, expiresInMs: expiresIn * 1_000 };
  }

  async function patiently<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        const refusal = toSdkError(error);
        const retryAfterMs = refusal instanceof Unavailable ? refusal.retryAfterMs : Number.POSITIVE_INFINITY;
        if (attempt === tries || retryAfterMs > longestRestMs) throw refusal;
        await delay(Math.max(retryAfterMs, firstRestMs * 2 ** (attempt - 1)) * (1 + random()));
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
      if (options.login === undefined) throw new PosternError("ERR_SESSION_ENDED", "the session is over");
      return take(await patiently(calls.login));
    },
  };
}
