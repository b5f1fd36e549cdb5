import { randomUUID } from "node:crypto";
import { ownMember, ownMembers } from "../core/own-members.ts";
import { createPosternClient } from "../rpc/postern-client.ts";
import { type PosternSessionOptions, readOptions } from "./session-options.ts";
import { keepSession, type SessionCalls } from "./session-refresher.ts";
import type { TokenProvider } from "./token-source.ts";

/** How long to wait for an answer. */
const timeoutMs = 5_000;

/**
 * The access tokens of one session. For one process: of two that show one refresh token, the one that comes late ends
 * the session for both.
 * @throws {TypeError} that names the option that is missing, invalid or unknown
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
