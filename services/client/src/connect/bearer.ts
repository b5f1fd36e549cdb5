import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { PosternError } from "../core/postern-error.ts";
import { isSendable } from "../sendable.ts";
import type { TokenSource } from "../token-source/token-source.ts";

/**
 * Creates an interceptor that sends an access token with every call. If a server refuses the token of a unary call, the
 * interceptor retries once with another token. A stream is not retried, because its messages cannot be sent again.
 *
 * Calls fail with a `ConnectError` `unauthenticated` or `unavailable` if the source has no token; its `cause` is the
 * source's {@link PosternError}.
 *
 * @example
 * ```ts
 * import { createConnectTransport } from "@connectrpc/connect-node";
 * import { createTokenSource, posternSession } from "@postern/client";
 * import { bearer } from "@postern/client/connect";
 *
 * const source = createTokenSource(
 *   posternSession({
 *     baseUrl: "https://auth.example.com",
 *     token: "ptn_st_…",
 *     login: { identifier: "billing", password: "correct horse battery staple" },
 *   }),
 * );
 * export const transport = createConnectTransport({
 *   baseUrl: "https://orders.example.com",
 *   httpVersion: "2",
 *   interceptors: [bearer(source)],
 * });
 * ```
 */
export function bearer(source: Pick<TokenSource, "token">): Interceptor {
  return (next) => async (request) => {
    const { signal, header } = request;
    const token = await tokenOf(source, { signal });
    header.set("authorization", `Bearer ${token}`);
    if (request.stream) return next(request);
    try {
      return await next(request);
    } catch (error) {
      if (!isRefused(error)) throw error;
      const other = await tokenOf(source, { signal, refused: token });
      if (other === token) throw error;
      header.set("authorization", `Bearer ${other}`);
      return next(request);
    }
  };
}

/**
 * Whether a guard refused the call, with a challenge of RFC 6750 section 3.1. `unauthenticated` without a challenge may
 * come from the handler, after it has done part of its work.
 */
function isRefused(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) return false;
  return /\bBearer\b.*\berror="invalid_token"/i.test(error.metadata.get("www-authenticate") ?? "");
}

async function tokenOf(
  source: Pick<TokenSource, "token">,
  options: Parameters<TokenSource["token"]>[0],
): Promise<string> {
  try {
    const token = await source.token(options);
    // The header's own error would contain the token.
    if (isSendable(token)) return token;
    throw new PosternError(
      "ERR_UNAVAILABLE",
      "the token of the source cannot be sent in a header: it must be printable ASCII",
    );
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    const code = error.code === "ERR_UNAVAILABLE" ? Code.Unavailable : Code.Unauthenticated;
    throw new ConnectError(error.message, code, undefined, undefined, error);
  }
}
