import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { AdminService, GetUserRequest } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import type { ListAuditEventsDeps } from "../domain/audit/list-audit-events.ts";
import { PosternError } from "../domain/errors.ts";
import type { UserStore } from "../domain/ports/user-store.ts";
import { type CreateUserDeps, createUser } from "../domain/user/create-user.ts";
import { disableUser } from "../domain/user/disable-user.ts";
import { enableUser } from "../domain/user/enable-user.ts";
import { type GetUserInput, getUser } from "../domain/user/get-user.ts";
import { listUsers } from "../domain/user/list-users.ts";
import { type SetPasswordDeps, setPassword } from "../domain/user/set-password.ts";
import { answerAuditEvents } from "./audit-handlers.ts";
import { callerOf, requestIdKey } from "./context.ts";
import { given, toUser, toUuid } from "./convert.ts";

export type AdminServiceDeps = CreateUserDeps &
  SetPasswordDeps &
  ListAuditEventsDeps & { readonly users: UserStore };

export function createAdminService(deps: AdminServiceDeps): ServiceImpl<typeof AdminService> {
  return {
    async createUser(request, context) {
      const user = await createUser(deps, {
        ...callOf(context),
        email: request.email,
        username: given(request.username),
        password: given(request.password),
        roles: request.roles,
      });
      return { user: toUser(user) };
    },
    async getUser(request, context) {
      const key = toKey(request.key);
      return { user: toUser(await getUser(deps, { caller: callerOf(context), key })) };
    },
    async listUsers(request, context) {
      const { pageSize, pageToken, query } = request;
      const { users, nextPageToken } = await listUsers(deps, {
        caller: callerOf(context),
        pageSize,
        pageToken,
        query,
      });
      return { users: users.map(toUser), nextPageToken };
    },
    async disableUser(request, context) {
      const userId = toUuid("usr", request.userId);
      return { user: toUser(await disableUser(deps, { ...callOf(context), userId })) };
    },
    async enableUser(request, context) {
      const userId = toUuid("usr", request.userId);
      return { user: toUser(await enableUser(deps, { ...callOf(context), userId })) };
    },
    async setPassword(request, context) {
      const userId = toUuid("usr", request.userId);
      const { password } = request;
      return { user: toUser(await setPassword(deps, { ...callOf(context), userId, password })) };
    },
    listAuditEvents: (request, context) => answerAuditEvents(deps, callerOf(context), request),
  };
}

function callOf(context: HandlerContext) {
  return { caller: callerOf(context), requestId: context.values.get(requestIdKey), signal: context.signal };
}

function toKey(key: GetUserRequest["key"]): GetUserInput["key"] {
  switch (key.case) {
    case "userId":
      return { id: toUuid("usr", key.value) };
    case "email":
      return { email: key.value };
    case "username":
      return { username: key.value };
    case undefined:
      throw new PosternError("INVALID_REQUEST", { message: "name a `key`" });
  }
}
