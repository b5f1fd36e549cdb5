import { randomUUID } from "node:crypto";
import { Authorization } from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { type Calls, createCalls } from "../call/calls.ts";
import { authenticate } from "../domain/access/authenticate.ts";
import { authorizeRequest } from "../domain/access/authorize-request.ts";
import { createEndpoints } from "../http/endpoint.ts";
import { forwardAuthEndpoint } from "../http/forward-auth.ts";
import { jwksEndpoint } from "../http/jwks.ts";
import { metadataEndpoint } from "../http/metadata.ts";
import type { NodeHandler } from "../lib/node-http.ts";
import { createPathRouter } from "../lib/path-router.ts";
import type { PublicCalls } from "../listen/public-calls.ts";
import { createAdminMethods } from "../rpc/methods/admin.ts";
import { createAuthMethods } from "../rpc/methods/auth.ts";
import { createEnvoyMethods } from "../rpc/methods/envoy.ts";
import { createHealthMethods } from "../rpc/methods/health.ts";
import { createHealthWatches } from "../rpc/methods/health-watches.ts";
import { operationOf } from "../rpc/methods/method.ts";
import { createRpcHandlers } from "../rpc/rpc-handlers.ts";
import { createUnknownCallHandler } from "../rpc/unknown-call.ts";
import type { Events } from "../telemetry/events.ts";
import type { Deps } from "./deps.ts";

export interface EdgesOptions {
  readonly deps: Deps;
  readonly events: Events;
  /** Aborted when the server drains. */
  readonly draining: AbortSignal;
  readonly publicCalls: PublicCalls;
}

/**
 * Joins the use cases to the transports.
 * @throws {Error} if an RPC or an endpoint has no row in the access table
 */
export function createEdges({ deps, events, draining, publicCalls }: EdgesOptions): NodeHandler {
  const calls: Calls = createCalls({
    authenticate: (authorization) => authenticate(deps, authorization),
    isOverloaded: (operation) => operation === loginOperation && deps.passwordHasher.isFull,
    onAccepted: publicCalls.trust,
    onFinished: events.callFinished,
    onShed: events.callShed,
  });
  const newRequestId = randomUUID;
  const methods = [
    ...createAuthMethods(deps),
    ...createAdminMethods(deps),
    ...createEnvoyMethods(deps),
    ...createHealthMethods({ draining, services: healthServices, watches: createWatches(publicCalls) }),
  ];
  const rpcs = createRpcHandlers({ methods, calls, newRequestId, onFault: events.answerFailed });
  const endpoints = createEndpoints(
    [
      jwksEndpoint(deps.issuer, deps.keyRing),
      metadataEndpoint(deps.issuer),
      forwardAuthEndpoint((request) => authorizeRequest(deps, request)),
    ],
    { calls, newRequestId },
  );
  return createPathRouter(new Map([...rpcs, ...endpoints]), createUnknownCallHandler(newRequestId));
}

const loginOperation = operationOf(AuthService.method.login);

/** The services that `grpc.health.v1` knows; `""` is the server as a whole. */
const healthServices = new Set(["", AuthService.typeName, AdminService.typeName, Authorization.typeName]);

function createWatches({ slots, isTrusted }: PublicCalls) {
  return createHealthWatches({
    max: Math.floor(slots / 8),
    isTrusted,
    random: Math.random,
    after(ms, callBack) {
      const timer = setTimeout(callBack, ms).unref();
      return () => clearTimeout(timer);
    },
  });
}
