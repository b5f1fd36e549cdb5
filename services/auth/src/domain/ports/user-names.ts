import type { Uuid } from "./ids.ts";

/** What users are called. For showing only: it may be a minute old, and says nothing of whether the user is alive. */
export interface UserNames {
  /**
   * User names, or e-mail addresses where there are none; an unknown user is left out.
   * @throws PosternError `UNAVAILABLE`
   */
  readMany(userIds: ReadonlySet<Uuid>): Promise<ReadonlyMap<Uuid, string>>;
}
