import type { Redis } from "./redis.ts";

/**
 * Tells where Redis would rather throw keys away than refuse to take more: with them go counts of failed logins, and
 * an attacker who fills it can make it. A server that does not tell its policy is not asked again.
 */
export function warnOfEviction(redis: Redis, warn: (policy: string) => void): void {
  redis.send("INFO", "memory").then(
    (info) => {
      const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(String(info))?.[1];
      const policy = field("maxmemory_policy");
      if (policy !== undefined && policy !== "noeviction" && field("maxmemory") !== "0") warn(policy);
    },
    () => {},
  );
}
