import { randomUUID } from "node:crypto";
import { ownMember, ownMembers } from "../core/own-members.ts";
import { createPosternClient } from "../rpc/postern-client.ts";
import { type PosternSessionOptions, readOptions } from "./session-options.ts";
import { keepSession, type SessionCalls } from "./session-refresher.ts";
import type { TokenProvider } from "./token-source.ts";

/** Maximum time of a call. */
const timeoutMs = 5_000;

/**
 * Creates a provider of one session's access tokens. It logs in, or continues a session with its refresh token. Use a
 * session in one process only: if two processes use the same refresh token, reuse detection ends the session for both.
 *
 * @throws {TypeError} naming the option that is missing, invalid or unknown
 * @example
 * ```ts
 * import { readFile, writeFile } from "node:fs/promises";
 * import { createTokenSource, posternSession } from "@postern/client";
 *
 * const file = "/var/lib/billing/refresh-token";
 * const source = createTokenSource(
 *   posternSession({
 *     baseUrl: "https://auth.example.com",
 *     token: "ptn_st_…",
 *     refreshToken: await readFile(file, "utf8"),
 *     onRefreshToken: (refreshToken) => writeFile(file, refreshToken, { mode: 0o600 }),
 *   }),
 * );
 * ```
 */
export function posternSession(given: PosternSessionOptions): TokenProvider {
  const options = readOptions(given);
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
      const request = ownMembers({ refreshToken, requestId });
      return ownMember(await client.refresh(request, ownMembers({ timeoutMs })), "tokens");
    },
    async login() {
      if (login === undefined) return undefined;
      const { audience = [], scope = [], ...rest } = login;
      const request = ownMembers({ ...rest, audience: [...audience], scope: [...scope] });
      const { outcome } = await client.login(request, ownMembers({ timeoutMs }));
      return outcome.case === undefined ? undefined : ownMember(outcome.value, "tokens");
    },
  };
}
