import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { PosternError } from "../core/postern-error.ts";
import { isSendable } from "../sendable.ts";
import type { TokenSource } from "../token-source/token-source.ts";

/**
 * Sends an access token with every call. A unary call that is refused because of it is tried once more with another
 * one; a stream is not, for what it has sent cannot be sent again.
 * @throws {ConnectError} `unauthenticated` or `unavailable` where no token can be had, with the source's error as
 * `cause`
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
 * Whether the call was refused at the door, by a challenge of RFC 6750 section 3.1. `unauthenticated` alone may as
 * well come from behind it, when half of the work is done.
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
