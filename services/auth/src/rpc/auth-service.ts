import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService, RevokeRequest } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { PosternError } from "../domain/errors.ts";
import { type LoginDeps, login } from "../domain/login/login.ts";
import type { SessionStore } from "../domain/ports/session-store.ts";
import { type IntrospectDeps, introspect } from "../domain/revocation/introspect.ts";
import { type RevokeDeps, type RevokeTarget, revoke } from "../domain/revocation/revoke.ts";
import { type WatchDeps, watchRevocations } from "../domain/revocation/watch-revocations.ts";
import { listSessions } from "../domain/session/list-sessions.ts";
import { type RefreshDeps, refresh } from "../domain/session/refresh.ts";
import { admitAgainKey, callerOf, requestIdKey } from "./context.ts";
import { given, toIntrospectResponse, toSession, toTokenSet, toUuid } from "./convert.ts";
import { parseCursor, toWatchResponse } from "./revocation-messages.ts";

export type AuthServiceDeps = LoginDeps &
  RefreshDeps &
  IntrospectDeps &
  RevokeDeps &
  WatchDeps & {
    readonly sessions: SessionStore;
    /** How long a replica without its database may go on answering `active`. */
    readonly introspectStalenessMs: number;
  };

export function createAuthService(deps: AuthServiceDeps): ServiceImpl<typeof AuthService> {
  return {
    async login(request, context) {
      const { tokens, session, deviceToken } = await login(deps, {
        caller: callerOf(context),
        identifier: request.identifier,
        password: request.password,
        clientId: given(request.clientId),
        audience: request.audience,
        scope: request.scope,
        device: request.device,
        deviceToken: request.deviceToken,
        clientAddress: request.clientAddress,
        userAgent: request.userAgent,
        requestId: context.values.get(requestIdKey),
        signal: context.signal,
      });
      return {
        outcome: {
          case: "loggedIn",
          value: { tokens: toTokenSet(tokens), session: toSession(session), deviceToken },
        },
      };
    },

    async refresh(request, context) {
      const tokens = await refresh(deps, {
        caller: callerOf(context),
        refreshToken: request.refreshToken,
        scope: request.scope,
        clientId: given(request.clientId),
        clientRequestId: given(request.requestId),
        requestId: context.values.get(requestIdKey),
      });
      return { tokens: toTokenSet(tokens) };
    },

    async introspect(request, context) {
      const { token, audience } = request;
      return toIntrospectResponse(
        await introspect(deps, { caller: callerOf(context), token, audience: given(audience) }),
      );
    },

    async revoke(request, context) {
      const { seq } = await revoke(deps, {
        caller: callerOf(context),
        target: toTarget(request.target),
        requestId: context.values.get(requestIdKey),
      });
      return { sequence: BigInt(seq), effectiveWithin: durationFromMs(deps.introspectStalenessMs) };
    },

    async listSessions(request, context) {
      const { sessions, nextPageToken } = await listSessions(deps, {
        caller: callerOf(context),
        userId: toUuid("usr", request.userId),
        pageSize: request.pageSize,
        pageToken: request.pageToken,
      });
      return { sessions: sessions.map(toSession), nextPageToken };
    },

    async *watchRevocations(request, context) {
      const isJson = /\bjson\b/i.test(context.requestHeader.get("content-type") ?? "");
      const input = {
        after: parseCursor(request.cursor),
        authorize: context.values.get(admitAgainKey),
        signal: context.signal,
      };
      for await (const update of watchRevocations(deps, input)) yield toWatchResponse(update, isJson);
    },
  };
}

function toTarget(target: RevokeRequest["target"]): RevokeTarget {
  switch (target.case) {
    case "token":
      return { kind: "token", token: target.value };
    case "sessionId":
      return { kind: "session", sessionId: toUuid("ses", target.value) };
    case "userId":
      return { kind: "user", userId: toUuid("usr", target.value) };
    case "clientId":
      return { kind: "client", clientId: target.value };
    case "everything":
      return { kind: "everything" };
    case undefined:
      throw new PosternError("INVALID_REQUEST", { message: "name a `target`" });
  }
}
