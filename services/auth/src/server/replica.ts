import { setTimeout as wait } from "node:timers/promises";
import { createElapsedClock } from "../../../client/src/core/elapsed-clock.ts";
import { type KeyRing, openKeyRing } from "../domain/keys/key-ring.ts";
import type { KeyMaterial } from "../domain/ports/key-material.ts";
import { openRevocations, type Revocations } from "../domain/revocation/open-revocations.ts";
import { encodeEntry } from "../rpc/convert/revocation.ts";
import type { Events } from "../telemetry/events.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { openSharedState, type SharedState } from "./redis-state.ts";
import type { Stores } from "./stores.ts";

/** What one replica keeps in memory, and its connection to Redis. */
export interface Replica extends AsyncDisposable {
  readonly keyRing: KeyRing;
  readonly revocations: Revocations;
  readonly shared: SharedState;
}

/** Loads keys and revocations, and connects to Redis. */
export async function openReplica(
  config: ReadyConfig,
  stores: Stores,
  material: KeyMaterial,
  events: Events,
): Promise<Replica> {
  await using opened = new AsyncDisposableStack();
  const monotonicMs = () => performance.now();
  const clock = createElapsedClock({ monotonicMs, wallMs: () => Date.now() });
  const keyRing = await openKeyRing({
    keys: stores.keys,
    material,
    newId: stores.newId,
    signingAlg: config.signingAlg,
    monotonicMs,
    pause: (ms: number) => wait(ms),
    onUnreadable: events.keyUnreadable,
  });
  const shared = opened.use(
    openSharedState({
      target: config.redis,
      masterKeys: config.masterKeys,
      userNames: stores.userNames,
      onRedisChange: events.redisChanged,
      onRedisFault: events.redisFault,
      onEviction: events.redisEvicts,
    }),
  );
  const revocations = opened.use(
    await openRevocations({
      log: stores.revocations,
      liveList: shared.liveList,
      encode: encodeEntry,
      stalenessMs: config.introspectStalenessMs,
      elapsedMs: clock.nowMs,
      pause: (ms) => wait(ms, undefined, { ref: false }),
      onKeys: (version) => void keyRing.follow(version).catch(() => {}),
      onRead: events.headRead,
      onRewind(found) {
        events.logRewound(found);
        stores.revocations.recordRewind(found).catch(events.rewindNotRecorded);
      },
    }),
  );
  const running = opened.move();
  return { keyRing, revocations, shared, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
