import { readFile } from "node:fs/promises";
import { isSendable } from "../sendable.ts";
import type { TokenProvider } from "./token-source.ts";

/** How often the file is read again. The writer does not say when it renews the token. */
const expiresInMs = 1_000;

/**
 * Creates a provider that reads an access token from a file that another process renews, such as Kubernetes in a projected
 * volume. The file is opened again each time, so it may be a symbolic link that changes. While it cannot be read, the last
 * token stays in use.
 *
 * @example
 * ```ts
 * import { createTokenSource, tokenFile } from "@postern/client";
 *
 * export const source = createTokenSource(tokenFile("/var/run/secrets/tokens/postern"));
 * ```
 */
export function tokenFile(path: string): TokenProvider {
  let last: string | undefined;

  async function read(): Promise<string> {
    const token = (await readFile(path, "utf8")).trim();
    // The file may be read while it is written.
    if (token === "") throw new Error(`${path} is empty`);
    // The HTTP library's error about an invalid header would contain the token.
    if (!isSendable(token))
      throw new Error(`${path} does not contain a token: write one line of printable ASCII`);
    return token;
  }

  return {
    async obtain() {
      try {
        last = await read();
      } catch (error) {
        if (last === undefined) throw error;
      }
      return { accessToken: last, expiresInMs };
    },
  };
}
