import type { Redis } from "./redis.ts";

const againMs = 1_000;

/**
 * Tells where Redis would rather throw keys away than refuse to take more: with them go counts of failed logins, and
 * an attacker who fills it can make it. A server that will not tell its policy is not asked again; one that was too slow
 * to is, for as long as it is up.
 */
export function warnOfEviction(redis: Redis, warn: (policy: string) => void): void {
  redis.send("INFO", "memory").then(
    (info) => {
      const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(String(info))?.[1];
      const policy = field("maxmemory_policy");
      if (policy !== undefined && policy !== "noeviction" && field("maxmemory") !== "0") warn(policy);
    },
    ({ cause }: Error) => {
      const isRefused = cause instanceof Error && cause.name === "ReplyError";
      if (redis.isUp && !isRefused) setTimeout(warnOfEviction, againMs, redis, warn).unref();
    },
  );
}
