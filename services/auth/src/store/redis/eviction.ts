import type { Redis } from "./redis.ts";

const retryMs = 1_000;

/**
 * Warns if Redis evicts keys when its memory is full: an attacker who fills it can delete counts of failed logins. A server
 * that refuses to report its policy is not asked again. A server that did not answer in time is, while it is up.
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
      if (redis.isUp && !isRefused) setTimeout(warnOfEviction, retryMs, redis, warn).unref();
    },
  );
}
