import { createMac } from "../crypto/mac.ts";
import type { BudgetStore } from "../domain/ports/budget-store.ts";
import type { LiveList } from "../domain/ports/live-list.ts";
import type { RedisTarget } from "../domain/ports/redis-target.ts";
import type { UserNames } from "../domain/ports/user-names.ts";
import { createBudgetStore } from "../store/redis/budget-store.ts";
import { warnOfEviction } from "../store/redis/eviction.ts";
import { openLiveList } from "../store/redis/live-list.ts";
import { openRedis, type Redis } from "../store/redis/redis.ts";
import { createUserNames } from "../store/redis/user-names.ts";

/** What replicas share through Redis. Without Redis, a replica uses Postgres and its own memory. */
export interface SharedState extends AsyncDisposable {
  readonly redis: Redis | undefined;
  readonly liveList: LiveList | undefined;
  readonly budgets: readonly BudgetStore[];
  readonly userNames: UserNames;
}

export interface SharedStateOptions {
  /** Undefined: no Redis. */
  readonly target: RedisTarget | undefined;
  readonly masterKeys: readonly Uint8Array[];
  /** Where names are read that Redis does not have. */
  readonly userNames: UserNames;
  readonly onRedisChange: (isUp: boolean, cause: unknown) => void;
  /** Called once for each reason why Redis cannot be used, until Redis answers again. */
  readonly onRedisFault: (reason: string) => void;
  /** Redis can evict counts of failed logins, by its policy for a full memory. */
  readonly onEviction: (policy: string) => void;
}

/** A limit is needed because a reason can contain text that differs each time, such as an address. */
const maxReported = 50;

export function openSharedState(options: SharedStateOptions): SharedState {
  const { target, masterKeys, userNames } = options;
  if (target === undefined) {
    return {
      redis: undefined,
      liveList: undefined,
      budgets: [],
      userNames,
      async [Symbol.asyncDispose]() {},
    };
  }
  const reported = new Set<string>();
  function onFault(reason: string): void {
    if (reported.has(reason) || reported.size >= maxReported) return;
    reported.add(reason);
    options.onRedisFault(reason);
  }
  const redis = openRedis({
    target,
    onFault,
    monotonicMs: () => performance.now(),
    onChange: (isUp, cause) => {
      options.onRedisChange(isUp, cause);
      if (isUp) reported.clear();
      if (isUp) warnOfEviction(redis, options.onEviction);
    },
  });
  const liveList = openLiveList({
    redis,
    target,
    onFault,
    mac: createMac(masterKeys, "live list"),
  });
  return {
    redis,
    liveList,
    budgets: [createBudgetStore(redis, createMac(masterKeys, "login budgets"))],
    userNames: createUserNames({ redis, mac: createMac(masterKeys, "user names"), source: userNames }),
    async [Symbol.asyncDispose]() {
      await liveList[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}
