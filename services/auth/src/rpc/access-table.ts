import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Authorization } from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import { Health } from "@postern/proto/grpc/health/v1/health_pb.js";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { Permission } from "../domain/caller/permission.ts";

/** Who may call a method: anyone, or whoever holds one of these permissions. */
export type AccessRule = "public" | readonly [Permission, ...Permission[]];

/** Every method of every service. A server with a method that is not here refuses to start. */
export const accessTable: ReadonlyMap<DescMethod, AccessRule> = new Map<DescMethod, AccessRule>([
  [AuthService.method.login, ["login"]],
  [AuthService.method.refresh, ["login"]],
  [AuthService.method.introspect, ["introspect", "introspect:any"]],
  [AuthService.method.revoke, ["revoke", "revoke:any"]],
  [AuthService.method.listSessions, ["sessions", "sessions:any"]],
  [AuthService.method.watchRevocations, ["watch"]],
  [AdminService.method.createUser, ["users"]],
  [AdminService.method.getUser, ["users"]],
  [AdminService.method.listUsers, ["users"]],
  [AdminService.method.disableUser, ["users"]],
  [AdminService.method.enableUser, ["users"]],
  [AdminService.method.setPassword, ["users"]],
  [AdminService.method.listAuditEvents, ["admin"]],
  // A proxy has no credential of its own, and the answer says no more than whether a token in hand is good.
  [Authorization.method.check, "public"],
  [Health.method.check, "public"],
  [Health.method.watch, "public"],
]);

/** @throws {Error} naming the methods that have no row */
export function demandRules(
  services: readonly DescService[],
  table: ReadonlyMap<DescMethod, AccessRule> = accessTable,
): void {
  const missing = services.flatMap((service) =>
    service.methods
      .filter((method) => !table.has(method))
      .map((method) => `${service.typeName}/${method.name}`),
  );
  if (missing.length > 0) throw new Error(`no access rule for ${missing.join(", ")}`);
}
