import { dropBlanks } from "../../lib/blanks.ts";
import { type Caller, demand } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import { decodePageToken, pageOf } from "../page.ts";
import type { User, UserStore } from "../ports/user-store.ts";
import { fold } from "./letters.ts";

const defaultPageSize = 50;

export interface ListUsersDeps {
  readonly users: Pick<UserStore, "list">;
}

export interface ListUsersInput {
  readonly caller: Caller;
  /** 0: 50. */
  readonly pageSize: number;
  /** Of the previous page; empty: the first page. */
  readonly pageToken: string;
  /** Only users whose address or name begins with this text, without the white space around it; empty: all. */
  readonly query: string;
}

export interface UserPage {
  readonly users: readonly User[];
  /** Empty: this is the last page. */
  readonly nextPageToken: string;
}

/**
 * Lists users in the order in which they were added.
 *
 * @throws {AuthError} `NOT_PERMITTED`, `INVALID_REQUEST` for an invalid page token, or for a
 * query with characters that no name has
 */
export async function listUsers({ users }: ListUsersDeps, input: ListUsersInput): Promise<UserPage> {
  demand(input.caller, "users");
  const size = input.pageSize === 0 ? defaultPageSize : input.pageSize;
  const after = decodePageToken(input.pageToken);
  const prefix = parsePrefix(dropBlanks(input.query));

  const { items, nextPageToken } = pageOf(await users.list({ after, limit: size + 1, prefix }), size);
  return { users: items, nextPageToken };
}

function parsePrefix(query: string): string | undefined {
  // Postgres has no text with NUL. The statement's error would count as an internal error.
  if (/\p{Cc}|\p{Cs}/u.test(query)) {
    throw new AuthError("INVALID_REQUEST", {
      message: "the query contains control characters or invalid Unicode",
    });
  }
  return query === "" ? undefined : fold(query);
}
