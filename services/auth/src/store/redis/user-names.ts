import type { Mac } from "../../domain/ports/mac.ts";
import type { UserNames } from "../../domain/ports/user-names.ts";
import { keys, userNameMs } from "./keys.ts";
import { type Redis, RedisDownError } from "./redis.ts";

export interface UserNamesDeps {
  readonly redis: Redis;
  readonly mac: Mac;
  /** Where the names are when Redis does not have them. */
  readonly source: UserNames;
}

/**
 * Reads names through Redis. A value is marked for its key, so a stranger can put no name of its own there, nor one
 * user's under another's.
 */
export function createUserNames({ redis, mac, source }: UserNamesDeps): UserNames {
  return {
    async read(userId) {
      const key = keys.userName(userId);
      const marked = (name: string) => `${key}\0${name}`;
      const cached = await redis.send("GET", key).catch(ignoreDown);
      if (typeof cached === "string") {
        const [mac64 = "", name = ""] = split(cached);
        if (mac.verify(marked(name), mac64)) return name;
      }
      const name = await source.read(userId);
      if (name !== undefined) {
        redis.send("SET", key, `${mac.sign(marked(name))} ${name}`, "PX", userNameMs).catch(() => {});
      }
      return name;
    },
  };
}

function split(text: string): [string, string] {
  const space = text.indexOf(" ");
  return [text.slice(0, space), text.slice(space + 1)];
}

function ignoreDown(error: unknown): undefined {
  if (!(error instanceof RedisDownError)) throw error;
}
