import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "@postern/proto/grpc/health/v1/health_pb.js";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { Logger } from "pino";
import { createKeyMaterial } from "../crypto/key-material.ts";
import { createSecretTokenDirectory } from "../crypto/secret-tokens.ts";
import { authenticate } from "../domain/access/authenticate.ts";
import { openKeyRing } from "../domain/keys/key-ring.ts";
import { openReadIndex } from "../domain/revocation/read-index.ts";
import { createHttpRoutes } from "../http/routes.ts";
import { createAdminService } from "../rpc/admin-service.ts";
import { createAuthService } from "../rpc/auth-service.ts";
import { createHealthService } from "../rpc/health-service.ts";
import { createRpcListener } from "../rpc/listener.ts";
import type { Context } from "./context.ts";
import type { ReadyConfig } from "./embedded-config.ts";
import { logCall } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { passwordDeps } from "./password-deps.ts";

export interface ServiceOptions {
  readonly config: ReadyConfig;
  readonly context: Context;
  readonly issuer: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
}

/** Loads keys and revocations and joins the use cases to their edges; answers with the handler of calls. */
export async function openService({ config, context, issuer, log, metrics, draining }: ServiceOptions) {
  const monotonicMs = () => performance.now();
  const keyRing = await openKeyRing({
    keys: context.keys,
    material: createKeyMaterial({ masterKeys: config.masterKeys }),
    newId: context.newId,
    signingAlg: config.signingAlg,
    monotonicMs,
  });
  const readIndex = await openReadIndex({
    log: context.revocations,
    stalenessMs: config.introspectStalenessMs,
    monotonicMs,
    onRewind(found) {
      metrics.rewinds.inc();
      log.error({ event: "log_rewound", ...found }, "the database was put back: run `postern recover`");
      context.revocations.recordRewind(found).catch((error: unknown) => {
        log.error({ event: "audit_failed", error }, "the rewind could not be noted in the audit");
      });
    },
  });
  const deps = {
    ...context,
    keyRing,
    readIndex,
    issuer,
    policy: config.sessions,
    defaultAudience: config.audience,
    introspectStalenessMs: config.introspectStalenessMs,
    ...passwordDeps(config),
    secretTokens: createSecretTokenDirectory(config.secretTokens),
  };
  const services = new Set(["", AuthService.typeName, AdminService.typeName]);
  const routes = createHttpRoutes(keyRing);
  return createRpcListener({
    routes(router: ConnectRouter) {
      router.service(AuthService, createAuthService(deps));
      router.service(AdminService, createAdminService(deps));
      router.service(Health, createHealthService({ draining, services }));
    },
    authenticate: (authorization) => authenticate(deps, authorization),
    newRequestId: randomUUID,
    onFinished: (call) => logCall(log, call),
    onFault: (error) => log.debug({ event: "answer_failed", error }),
    fallback: (request, response) => routes(request as IncomingMessage, response as ServerResponse),
  });
}
