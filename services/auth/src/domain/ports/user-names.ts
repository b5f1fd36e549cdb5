import type { UserId } from "./ids.ts";

/** Names of users, for display only: a name can be a minute old, and does not say whether the user still exists. */
export interface UserNames {
  /**
   * User names, or e-mail addresses of users without a name. Unknown users are left out.
   * @throws AuthError `UNAVAILABLE`
   */
  readMany(userIds: ReadonlySet<UserId>): Promise<ReadonlyMap<UserId, string>>;
}
