import { setTimeout as wait } from "node:timers/promises";
import { createMac } from "../crypto/mac.ts";
import { createSecretTokenDirectory } from "../crypto/secret-tokens.ts";
import { createRouteTable } from "../domain/access/proxy/route-table.ts";
import { createFailedLogins } from "../domain/audit/failed-logins.ts";
import { createLoginBudgets } from "../domain/login/login-budgets.ts";
import { createBatch } from "../lib/batch.ts";
import { createOwnBudgets } from "../store/memory/budget-store.ts";
import type { Events } from "../telemetry/events.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { passwordDeps } from "./password-deps.ts";
import type { Replica } from "./replica.ts";
import type { Stores } from "./stores.ts";

export interface DepsOptions {
  readonly config: ReadyConfig;
  readonly stores: Stores;
  readonly issuer: string;
  readonly replica: Replica;
  readonly events: Events;
  /** Aborted when the server accepts no more calls. */
  readonly closing: AbortSignal;
}

/** What the use cases of the server depend on. */
export type Deps = ReturnType<typeof createDeps>;

export function createDeps({ config, stores, issuer, replica, events, closing }: DepsOptions) {
  const monotonicMs = () => performance.now();
  const { keyRing, revocations, shared } = replica;
  return {
    ...stores,
    ...passwordDeps(config),
    keyRing,
    knownRevocations: revocations,
    closing,
    random: Math.random,
    monotonicMs,
    issuer,
    nameOf: createBatch(shared.userNames.readMany),
    policy: config.sessions,
    defaultAudience: config.audience,
    introspectStalenessMs: config.introspectStalenessMs,
    secretTokens: createSecretTokenDirectory(config.secretTokens),
    routes: createRouteTable(config.routes),
    loginBudgets: createLoginBudgets({
      stores: [createOwnBudgets({ nowMs: monotonicMs }), ...shared.budgets],
      limits: config.loginLimits,
      newId: stores.newId,
      monotonicMs,
      pause: (ms, signal) => wait(ms, undefined, { signal }),
      onLimit: events.loginLimited,
    }),
    failedLogins: createFailedLogins({
      audit: stores.audit,
      mac: createMac(config.masterKeys, "audit accounts"),
    }),
  };
}
