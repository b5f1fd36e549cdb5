import type { Uuid } from "../../domain/ports/ids.ts";
import type { Mac } from "../../domain/ports/mac.ts";
import type { UserNames } from "../../domain/ports/user-names.ts";
import { keys, userNameMs } from "./keys.ts";
import { type Redis, RedisDownError } from "./redis.ts";

export interface UserNamesDeps {
  readonly redis: Pick<Redis, "send">;
  readonly mac: Mac;
  /** Where the names are when Redis does not have them. */
  readonly source: UserNames;
}

/**
 * Reads names through Redis. A value is marked for its key, so a stranger can put no name of its own there, nor one
 * user's under another's.
 */
export function createUserNames({ redis, mac, source }: UserNamesDeps): UserNames {
  const marked = (userId: Uuid, name: string) => `${keys.userName(userId)}\0${name}`;

  async function readCached(userIds: readonly Uuid[]): Promise<Map<Uuid, string>> {
    const values = await redis.send("MGET", ...userIds.map(keys.userName)).catch(ignoreDown);
    const found = new Map<Uuid, string>();
    for (const [index, userId] of userIds.entries()) {
      const value = Array.isArray(values) ? values[index] : undefined;
      if (typeof value !== "string") continue;
      const space = value.indexOf(" ");
      const name = value.slice(space + 1);
      if (mac.verify(marked(userId, name), value.slice(0, space))) found.set(userId, name);
    }
    return found;
  }

  return {
    async readMany(userIds) {
      const names = await readCached([...userIds]);
      const missing = new Set([...userIds].filter((userId) => !names.has(userId)));
      if (missing.size === 0) return names;
      for (const [userId, name] of await source.readMany(missing)) {
        names.set(userId, name);
        const value = `${mac.sign(marked(userId, name))} ${name}`;
        redis.send("SET", keys.userName(userId), value, "PX", userNameMs).catch(() => {});
      }
      return names;
    },
  };
}

function ignoreDown(error: unknown): undefined {
  if (!(error instanceof RedisDownError)) throw error;
}
