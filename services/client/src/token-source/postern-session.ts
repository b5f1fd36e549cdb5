import { randomUUID } from "node:crypto";
import { createPosternClient } from "../postern/postern-client.ts";
import { keepSession, type SessionCalls } from "./keep-session.ts";
import type { PosternSessionOptions } from "./session-options.ts";
import type { TokenOrigin } from "./token-source.ts";

/** How long to wait for an answer. */
const timeoutMs = 5_000;

/**
 * The access tokens of one session. For one process: of two that show one refresh token, the one that comes late ends
 * the session for both.
 * @throws {TypeError} where there is neither a login nor a refresh token
 */
export function posternSession(options: PosternSessionOptions): TokenOrigin {
  if (options.login === undefined && !options.refreshToken) {
    throw new TypeError("a session takes `login`, `refreshToken` or both");
  }
  return keepSession(options, connect(options), {
    newRequestId: randomUUID,
    random: Math.random,
    delay: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
}

function connect({ login, ...options }: PosternSessionOptions): SessionCalls {
  const { client } = createPosternClient(options);
  return {
    async refresh(refreshToken, requestId) {
      return (await client.refresh({ refreshToken, requestId }, { timeoutMs })).tokens;
    },
    async login() {
      if (login === undefined) return undefined;
      const { audience = [], scope = [], ...rest } = login;
      const { outcome } = await client.login(
        { ...rest, audience: [...audience], scope: [...scope] },
        { timeoutMs },
      );
      return outcome.value?.tokens;
    },
  };
}
