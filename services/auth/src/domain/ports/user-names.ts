import type { Uuid } from "./ids.ts";

/** What users are called. For showing only: it may be a minute old, and says nothing of whether the user is alive. */
export interface UserNames {
  /**
   * The user name, or the e-mail address where there is none; undefined for an unknown user.
   * @throws PosternError `UNAVAILABLE`
   */
  read(userId: Uuid): Promise<string | undefined>;
}
