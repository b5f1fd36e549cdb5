import { readFile } from "node:fs/promises";
import { isSendable } from "../sendable.ts";
import type { TokenProvider } from "./token-source.ts";

/** A file is read again so often, however long its token lives: who renews it says nothing of when. */
const expiresInMs = 1_000;

/**
 * An access token in a file that somebody else renews, such as Kubernetes in a projected volume. It is opened anew
 * each time, so it may as well be a link that is put elsewhere. While it cannot be read, what it held is good.
 */
export function tokenFile(path: string): TokenProvider {
  let last: string | undefined;

  async function read(): Promise<string> {
    const token = (await readFile(path, "utf8")).trim();
    // Read while it was written.
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
