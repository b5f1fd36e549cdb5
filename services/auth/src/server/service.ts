import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { ConnectRouter } from "@connectrpc/connect";
import { createElapsedClock } from "@postern/client/core/elapsed-clock.ts";
import { Authorization } from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import { Health } from "@postern/proto/grpc/health/v1/health_pb.js";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { Logger } from "pino";
import { createMac } from "../crypto/mac.ts";
import { createSecretTokenDirectory } from "../crypto/secret-tokens.ts";
import { authenticate } from "../domain/access/authenticate.ts";
import { authorizeRequest } from "../domain/access/authorize-request.ts";
import { createRouteTable } from "../domain/access/proxy/route-table.ts";
import { createRefusedLogins } from "../domain/audit/refused-logins.ts";
import { openKeyRing } from "../domain/keys/key-ring.ts";
import { createLoginBudgets } from "../domain/login/login-budgets.ts";
import { openRevocations } from "../domain/revocation/open-revocations.ts";
import { createHttpRoutes } from "../http/routes.ts";
import { createBatch } from "../lib/batch.ts";
import type { NodeHandler } from "../lib/node-http.ts";
import type { PublicCalls } from "../listen/public-calls.ts";
import { createAdminService } from "../rpc/admin-service.ts";
import { createAuthService } from "../rpc/auth-service.ts";
import { methodName } from "../rpc/chain.ts";
import { createAuthorizationService } from "../rpc/ext-authz.ts";
import { createHealthService } from "../rpc/health-service.ts";
import { createHealthWatches } from "../rpc/health-watches.ts";
import { createRpcListener } from "../rpc/listener.ts";
import { encodeEntry } from "../rpc/revocation-messages.ts";
import { createOwnBudgets } from "../store/memory/budget-store.ts";
import { countCall, countRead } from "../telemetry/call-metrics.ts";
import { logCall } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { auditJobs } from "./jobs/audit.ts";
import { cleaningJob } from "./jobs/cleaning.ts";
import { startJobs } from "./jobs/job.ts";
import { keyJob } from "./jobs/keys.ts";
import { keyDeps } from "./key-deps.ts";
import { passwordDeps } from "./password-deps.ts";
import { openSharedState } from "./redis-state.ts";
import type { Context } from "./stores.ts";

export interface ServiceOptions {
  readonly config: ReadyConfig;
  readonly context: Context;
  readonly issuer: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
  /** Aborted when it takes no more calls. */
  readonly closing: AbortSignal;
  readonly publicCalls: PublicCalls;
}

export interface Service extends AsyncDisposable {
  readonly handler: NodeHandler;
  /** Whether Redis answers now; undefined: there is none. */
  readonly isRedisUp: (() => Promise<boolean>) | undefined;
}

/** Loads keys and revocations and joins the use cases to their edges. */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { config, context, issuer, log, metrics, draining, closing, publicCalls } = options;
  await using opened = new AsyncDisposableStack();
  const monotonicMs = () => performance.now();
  const clock = createElapsedClock({ monotonicMs, wallMs: () => Date.now() });
  const { material, keyPolicy } = keyDeps(config);
  const keyRing = await openKeyRing({
    ...{ keys: context.keys, material, newId: context.newId, signingAlg: config.signingAlg },
    ...{ monotonicMs, pause: (ms: number) => wait(ms) },
    onUnreadable: (error) => log.error({ event: "key_unreadable", error }),
  });
  const shared = opened.use(
    openSharedState({
      target: config.redis,
      masterKeys: config.masterKeys,
      userNames: context.userNames,
      onRedisChange: (isUp, error) =>
        isUp ? log.info({ event: "redis_up" }) : log.warn({ event: "redis_down", error }),
      onRedisFault: (reason) => log.warn({ event: "redis_fault", reason }),
      onEviction: (policy) =>
        log.warn({ event: "redis_evicts", policy }, "set maxmemory-policy to noeviction: see docs/redis.md"),
    }),
  );
  const knownRevocations = opened.use(
    await openRevocations({
      log: context.revocations,
      liveList: shared.liveList,
      encode: encodeEntry,
      stalenessMs: config.introspectStalenessMs,
      elapsedMs: clock.nowMs,
      pause: (ms) => wait(ms, undefined, { ref: false }),
      onKeys: (version) => void keyRing.follow(version).catch(() => {}),
      onRead: (read) => countRead(metrics, read),
      onRewind(found) {
        metrics.rewinds.inc();
        log.error({ event: "log_rewound", ...found }, "the database was put back: run `postern recover`");
        context.revocations.recordRewind(found).catch((error: unknown) => {
          log.error({ event: "audit_failed", error }, "the rewind could not be noted in the audit");
        });
      },
    }),
  );
  metrics.readFrom({
    hashQueueWaiting: () => context.passwordHasher.waiting,
    revocations: knownRevocations,
    pools: context.pools,
    redis: shared.redis,
  });
  const refusedLogins = createRefusedLogins({
    audit: context.audit,
    mac: createMac(config.masterKeys, "audit accounts"),
  });
  opened.defer(() =>
    refusedLogins.flush().catch((error: unknown) => {
      log.error({ event: "audit_failed", error }, "refused logins could not be noted in the audit");
    }),
  );
  const deps = {
    ...context,
    keyRing,
    knownRevocations,
    closing,
    random: Math.random,
    monotonicMs,
    issuer,
    nameOf: createBatch(shared.userNames.readMany),
    policy: config.sessions,
    defaultAudience: config.audience,
    introspectStalenessMs: config.introspectStalenessMs,
    ...passwordDeps(config),
    secretTokens: createSecretTokenDirectory(config.secretTokens),
    loginBudgets: createLoginBudgets({
      stores: [createOwnBudgets({ nowMs: monotonicMs }), ...shared.budgets],
      limits: config.loginLimits,
      newId: context.newId,
      monotonicMs,
      pause: (ms, signal) => wait(ms, undefined, { signal }),
      onLimit: (budget, what) => metrics.loginLimits.inc({ budget, what }),
    }),
    refusedLogins,
  };
  opened.use(
    startJobs(
      [
        keyJob({ ...context, material, keyPolicy }, log),
        cleaningJob(context.cleaner, metrics),
        ...auditJobs(context.audit, config.auditRetentionMs, refusedLogins),
      ],
      { log, metrics },
    ),
  );
  const services = new Set(["", AuthService.typeName, AdminService.typeName, Authorization.typeName]);
  const authorizeDeps = { ...deps, routes: createRouteTable(config.routes) };
  const routes = createHttpRoutes(keyRing, issuer, {
    authorize: (request) => authorizeRequest(authorizeDeps, request),
    onFault: (error) => log.error({ event: "forward_auth_failed", error }),
  });
  const watches = createHealthWatches({
    max: Math.floor(publicCalls.slots / 8),
    isTrusted: publicCalls.isTrusted,
    random: Math.random,
    after(ms, callBack) {
      const timer = setTimeout(callBack, ms).unref();
      return () => clearTimeout(timer);
    },
  });
  const handler = createRpcListener({
    routes(router: ConnectRouter) {
      router.service(AuthService, createAuthService(deps));
      router.service(AdminService, createAdminService(deps));
      router.service(Authorization, createAuthorizationService(authorizeDeps));
      router.service(Health, createHealthService({ draining, services, watches }));
    },
    authenticate: (authorization) => authenticate(deps, authorization),
    newRequestId: randomUUID,
    onAccepted: publicCalls.trust,
    onFinished(call) {
      logCall(log, call);
      countCall(metrics, call);
    },
    isOverloaded: (method) => method === AuthService.method.login && context.passwordHasher.isFull,
    onRefusedEarly: (method) => metrics.calls.inc({ method: methodName(method), outcome: "OVERLOADED" }),
    onFault: (error) => log.debug({ event: "answer_failed", error }),
    fallback: (request, response, refuseUnknown) =>
      routes(request as IncomingMessage, response as ServerResponse, refuseUnknown),
  });
  const { redis } = shared;
  const running = opened.move();
  return {
    handler,
    isRedisUp:
      redis === undefined
        ? undefined
        : () =>
            redis.send("PING").then(
              () => true,
              () => false,
            ),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
