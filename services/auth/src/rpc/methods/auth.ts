import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { AuthService, type RevokeRequest } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { callerOf } from "../../call/call.ts";
import { AuthError } from "../../domain/errors.ts";
import { type LoginDeps, login } from "../../domain/login/login.ts";
import type { SessionStore } from "../../domain/ports/session-store.ts";
import { type IntrospectDeps, introspect } from "../../domain/revocation/introspect.ts";
import { type RevokeDeps, type RevokeTarget, revoke } from "../../domain/revocation/revoke.ts";
import { type WatchDeps, watchRevocations } from "../../domain/revocation/watch-revocations.ts";
import { listSessions } from "../../domain/session/list-sessions.ts";
import { type RefreshDeps, refresh } from "../../domain/session/refresh.ts";
import { parseCursor, toWatchResponse } from "../convert/revocation.ts";
import { given, toId, toIntrospectResponse, toSession, toTokenSet } from "../convert/values.ts";
import { type Method, stream, unary } from "./method.ts";

export type AuthMethodDeps = LoginDeps &
  RefreshDeps &
  IntrospectDeps &
  RevokeDeps &
  WatchDeps & {
    readonly sessions: SessionStore;
    /** How long a replica without its database may go on answering `active`. */
    readonly introspectStalenessMs: number;
  };

/** `postern.auth.v1.AuthService`. */
export function createAuthMethods(deps: AuthMethodDeps): Method[] {
  const { method } = AuthService;
  return [
    unary(method.login, async (call, request) => {
      const { tokens, session, deviceToken } = await login(deps, {
        caller: callerOf(call),
        identifier: request.identifier,
        password: request.password,
        clientId: given(request.clientId),
        audience: request.audience,
        scope: request.scope,
        device: request.device,
        deviceToken: request.deviceToken,
        clientAddress: request.clientAddress,
        userAgent: request.userAgent,
        requestId: call.id,
        signal: call.signal,
      });
      const value = { tokens: toTokenSet(tokens), session: toSession(session), deviceToken };
      return { outcome: { case: "loggedIn" as const, value } };
    }),

    unary(method.refresh, async (call, request) => {
      const tokens = await refresh(deps, {
        caller: callerOf(call),
        refreshToken: request.refreshToken,
        scope: request.scope,
        clientId: given(request.clientId),
        clientRequestId: given(request.requestId),
        requestId: call.id,
      });
      return { tokens: toTokenSet(tokens) };
    }),

    unary(method.introspect, async (call, { token, audience }) => {
      const input = { caller: callerOf(call), token, audience: given(audience) };
      return toIntrospectResponse(await introspect(deps, input));
    }),

    unary(method.revoke, async (call, request) => {
      const target = toTarget(request.target);
      const { seq } = await revoke(deps, { caller: callerOf(call), target, requestId: call.id });
      return { sequence: BigInt(seq), effectiveWithin: durationFromMs(deps.introspectStalenessMs) };
    }),

    unary(method.listSessions, async (call, { userId, pageSize, pageToken }) => {
      const { sessions, nextPageToken } = await listSessions(deps, {
        caller: callerOf(call),
        userId: toId("usr", userId),
        pageSize,
        pageToken,
      });
      return { sessions: sessions.map(toSession), nextPageToken };
    }),

    stream(
      method.watchRevocations,
      ({ reauthorize, signal }, { cursor }) =>
        watchRevocations(deps, { after: parseCursor(cursor), authorize: reauthorize, signal }),
      toWatchResponse,
    ),
  ];
}

function toTarget(target: RevokeRequest["target"]): RevokeTarget {
  switch (target.case) {
    case "token":
      return { kind: "token", token: target.value };
    case "sessionId":
      return { kind: "session", sessionId: toId("ses", target.value) };
    case "userId":
      return { kind: "user", userId: toId("usr", target.value) };
    case "clientId":
      return { kind: "client", clientId: target.value };
    case "everything":
      return { kind: "everything" };
    case undefined:
      throw new AuthError("INVALID_REQUEST", { message: "name a `target`" });
  }
}
