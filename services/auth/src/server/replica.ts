import { setTimeout as wait } from "node:timers/promises";
import { createElapsedClock } from "@postern/client/core/elapsed-clock.ts";
import type { KeyRing } from "../domain/keys/key-ring.ts";
import { openKeyRing } from "../domain/keys/key-ring.ts";
import type { KeyMaterial } from "../domain/ports/key-material.ts";
import { openReadIndex, type ReadIndex } from "../domain/revocation/read-index.ts";
import { createRevocationFeed, type RevocationFeed } from "../domain/revocation/revocation-feed.ts";
import { encodeEntry } from "../rpc/convert/revocation.ts";
import type { Events } from "../telemetry/events.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { openSharedState, type SharedState } from "./redis-state.ts";
import type { Context } from "./stores.ts";

/** What one replica keeps in memory. */
export interface Replica extends AsyncDisposable {
  readonly keyRing: KeyRing;
  readonly readIndex: ReadIndex;
  readonly feed: RevocationFeed;
  readonly shared: SharedState;
  /** Reads the log's head in the background. */
  readonly follow: () => void;
}

/** An idle replica reads the head this often: what it knows is never much older. */
const idleReadMs = 1_000;

/** Loads keys and revocations, and connects to Redis. */
export async function openReplica(
  config: ReadyConfig,
  context: Context,
  material: KeyMaterial,
  events: Events,
): Promise<Replica> {
  await using opened = new AsyncDisposableStack();
  const monotonicMs = () => performance.now();
  const clock = createElapsedClock({ monotonicMs, wallMs: () => Date.now() });
  const keyRing = await openKeyRing({
    keys: context.keys,
    material,
    newId: context.newId,
    signingAlg: config.signingAlg,
    monotonicMs,
    pause: (ms: number) => wait(ms),
    onUnreadable: events.keyUnreadable,
  });
  // Entries may come while the log is still being loaded; what is loaded then holds them.
  let loaded: ReadIndex | undefined;
  const follow = () => void loaded?.fresh().catch(() => {});
  const shared = opened.use(
    openSharedState({
      target: config.redis,
      masterKeys: config.masterKeys,
      userNames: context.userNames,
      onEntries: follow,
      onRedisChange: events.redisChanged,
      onRedisFault: events.redisFault,
      onEviction: events.redisEvicts,
    }),
  );
  const feed = opened.use(
    createRevocationFeed({
      encode: encodeEntry,
      read: () => readIndex.readHead(),
      pause: (ms) => wait(ms, undefined, { ref: false }),
    }),
  );
  const readIndex: ReadIndex = await openReadIndex({
    follower: feed,
    log: context.revocations,
    liveList: shared.liveList,
    stalenessMs: config.introspectStalenessMs,
    elapsedMs: clock.nowMs,
    onKeys: (version) => void keyRing.follow(version).catch(() => {}),
    onRead: events.headRead,
    onRewind(found) {
      events.logRewound(found);
      context.revocations.recordRewind(found).catch(events.rewindNotRecorded);
    },
  });
  loaded = readIndex;
  const following = setInterval(() => {
    if (readIndex.ageMs >= idleReadMs) follow();
  }, idleReadMs);
  opened.defer(() => clearInterval(following));
  const running = opened.move();
  return { keyRing, readIndex, feed, shared, follow, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
