import type { UserId } from "../../domain/ports/ids.ts";
import type { Mac } from "../../domain/ports/mac.ts";
import type { UserNames } from "../../domain/ports/user-names.ts";
import { keys, userNameMs } from "./keys.ts";
import { type Redis, RedisDownError } from "./redis.ts";

export interface UserNamesDeps {
  readonly redis: Pick<Redis, "send">;
  readonly mac: Mac;
  /** Where names are read that Redis does not have. */
  readonly source: UserNames;
}

/**
 * Reads names through Redis. A value has a MAC over its key and the name, so an attacker who can write to Redis can neither
 * make up a name nor show one user's name for another.
 */
export function createUserNames({ redis, mac, source }: UserNamesDeps): UserNames {
  const signedText = (userId: UserId, name: string) => `${keys.userName(userId)}\0${name}`;

  async function readCached(userIds: readonly UserId[]): Promise<Map<UserId, string>> {
    const values = await redis.send("MGET", ...userIds.map(keys.userName)).catch(ignoreDown);
    const found = new Map<UserId, string>();
    for (const [index, userId] of userIds.entries()) {
      const value = Array.isArray(values) ? values[index] : undefined;
      if (typeof value !== "string") continue;
      const space = value.indexOf(" ");
      const name = value.slice(space + 1);
      if (mac.verify(signedText(userId, name), value.slice(0, space))) found.set(userId, name);
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
        const value = `${mac.sign(signedText(userId, name))} ${name}`;
        redis.send("SET", keys.userName(userId), value, "PX", userNameMs).catch(() => {});
      }
      return names;
    },
  };
}

function ignoreDown(error: unknown): undefined {
  if (!(error instanceof RedisDownError)) throw error;
}
