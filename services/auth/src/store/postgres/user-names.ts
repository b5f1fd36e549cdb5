import type { UserId } from "../../domain/ports/ids.ts";
import type { UserNames } from "../../domain/ports/user-names.ts";
import type { Queries } from "./database.ts";

/** Users' names in Postgres. */
export function createUserNames(db: Queries): UserNames {
  return {
    async readMany(userIds) {
      const rows = await db.query<{ id: UserId; name: string }>(
        "select id, name from postern.user_names($1)",
        [[...userIds]],
      );
      return new Map(rows.map(({ id, name }) => [id, name]));
    },
  };
}
