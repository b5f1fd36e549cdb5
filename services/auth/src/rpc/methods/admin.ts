import { AdminService, type GetUserRequest } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { type Call, callerOf } from "../../call/call.ts";
import { type ListAuditEventsDeps, listAuditEvents } from "../../domain/audit/list-audit-events.ts";
import { AuthError } from "../../domain/errors.ts";
import type { UserStore } from "../../domain/ports/user-store.ts";
import { type CreateUserDeps, createUser } from "../../domain/user/create-user.ts";
import { disableUser } from "../../domain/user/disable-user.ts";
import { enableUser } from "../../domain/user/enable-user.ts";
import { type GetUserInput, getUser } from "../../domain/user/get-user.ts";
import { listUsers } from "../../domain/user/list-users.ts";
import { type SetPasswordDeps, setPassword } from "../../domain/user/set-password.ts";
import { toAuditEvent, toAuditFilter } from "../convert/audit-event.ts";
import { given, toId, toUser } from "../convert/values.ts";
import { type Method, unary } from "./method.ts";

export type AdminMethodDeps = CreateUserDeps &
  SetPasswordDeps &
  ListAuditEventsDeps & { readonly users: UserStore };

/** How long `ListAuditEvents` searches before it answers with the events found so far, in milliseconds. */
const auditSearchMs = 2_000;

/** `postern.admin.v1.AdminService`. */
export function createAdminMethods(deps: AdminMethodDeps): Method[] {
  const { method } = AdminService;
  return [
    unary(method.createUser, async (call, request) => {
      const user = await createUser(deps, {
        ...administration(call),
        email: request.email,
        username: given(request.username),
        password: given(request.password),
        roles: request.roles,
      });
      return { user: toUser(user) };
    }),
    unary(method.getUser, async (call, request) => {
      const key = toKey(request.key);
      return { user: toUser(await getUser(deps, { caller: callerOf(call), key })) };
    }),
    unary(method.listUsers, async (call, { pageSize, pageToken, query }) => {
      const page = await listUsers(deps, { caller: callerOf(call), pageSize, pageToken, query });
      return { users: page.users.map(toUser), nextPageToken: page.nextPageToken };
    }),
    unary(method.disableUser, async (call, request) => {
      const userId = toId("usr", request.userId);
      return { user: toUser(await disableUser(deps, { ...administration(call), userId })) };
    }),
    unary(method.enableUser, async (call, request) => {
      const userId = toId("usr", request.userId);
      return { user: toUser(await enableUser(deps, { ...administration(call), userId })) };
    }),
    unary(method.setPassword, async (call, { userId: id, password }) => {
      const userId = toId("usr", id);
      return { user: toUser(await setPassword(deps, { ...administration(call), userId, password })) };
    }),
    unary(method.listAuditEvents, async (call, request) => {
      const { events, nextPageToken } = await listAuditEvents(deps, {
        caller: callerOf(call),
        filter: toAuditFilter(request),
        order: request.oldestFirst ? "oldest first" : "newest first",
        pageSize: request.pageSize,
        pageToken: request.pageToken,
        timeoutMs: auditSearchMs,
      });
      return { events: events.map(toAuditEvent), nextPageToken };
    }),
  ];
}

/** What every change of a user needs to know about its call. */
function administration(call: Call) {
  return { caller: callerOf(call), requestId: call.id, signal: call.signal };
}

function toKey(key: GetUserRequest["key"]): GetUserInput["key"] {
  switch (key.case) {
    case "userId":
      return { id: toId("usr", key.value) };
    case "email":
      return { email: key.value };
    case "username":
      return { username: key.value };
    case undefined:
      throw new AuthError("INVALID_REQUEST", { message: "name a `key`" });
  }
}
