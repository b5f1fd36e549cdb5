import { AuthError } from "../../domain/errors.ts";
import { type Budget, type BudgetStore, reservationMs } from "../../domain/ports/budget-store.ts";
import type { Mac } from "../../domain/ports/mac.ts";
import { keys } from "./keys.ts";
import { type Redis, RedisDownError } from "./redis.ts";

/**
 * Reserves a place if failures and reservations leave one. Returns the outcome, and for `spent` the milliseconds until a
 * failure expires. A failure that would expire later than the window allows was written by another clock or by an attacker,
 * and is dropped.
 */
const reserveScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count, window, held = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
for key, longest in pairs({[KEYS[1]] = window, [KEYS[2]] = held}) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', key, '(' .. string.format('%.0f', now + longest), '+inf')
end
local failed = redis.call('ZCARD', KEYS[1])
if failed >= count then
  local first = redis.call('ZRANGE', KEYS[1], failed - count, failed - count, 'WITHSCORES')
  return {'spent', first[2] - now}
end
-- ioredis sends a command again if a connection to a Cluster was lost. The first one may have arrived.
if redis.call('ZSCORE', KEYS[2], ARGV[3]) then return {'reserved', 0} end
if failed + redis.call('ZCARD', KEYS[2]) >= count then return {'busy', 0} end
redis.call('ZADD', KEYS[2], now + held, ARGV[3])
redis.call('PEXPIRE', KEYS[2], held)
return {'reserved', 0}
`;

const settleScript = `
redis.call('ZREM', KEYS[2], ARGV[3])
if ARGV[5] ~= '1' then return 0 end
local time = redis.call('TIME')
local window = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + window, ARGV[3])
redis.call('PEXPIRE', KEYS[1], window)
return 0
`;

/** The counts of failures that all replicas share, by Redis's clock. */
export function createBudgetStore(redis: Redis, mac: Mac): BudgetStore {
  /** Sends the script's text every time: a server that was flushed or replaced does not know its digest. */
  async function run(script: string, { name, key, count, windowMs }: Budget, ...args: string[]) {
    const digest = mac.sign(`${name}\0${key}`);
    const [reservation = "", failed = ""] = args;
    try {
      return await redis.send(
        "EVAL",
        ...[script, 2, keys.budgetFailed(digest), keys.budgetHeld(digest)],
        ...[count, windowMs, reservation, reservationMs, failed],
      );
    } catch (error) {
      if (error instanceof RedisDownError) throw new AuthError("UNAVAILABLE", { cause: error });
      throw error;
    }
  }

  return {
    async reserve(budget, reservation) {
      const answer = await run(reserveScript, budget, reservation);
      const [kind, retryAfterMs] = Array.isArray(answer) ? answer : [];
      if (kind === "reserved" || kind === "busy") return { kind };
      if (kind === "spent") return { kind, retryAfterMs: Number(retryAfterMs) };
      throw new AuthError("UNAVAILABLE");
    },
    async settle(budget, reservation, failed) {
      await run(settleScript, budget, reservation, failed ? "1" : "0");
    },
  };
}
