import type { Permission } from "../domain/caller/permission.ts";

/** Who may call an operation: anyone, or a caller with one of these permissions. */
export type AccessRule = "public" | readonly [Permission, ...Permission[]];

/**
 * Every operation of every transport: RPCs by `<service>/<method>`, HTTP endpoints by their names. A server with an
 * operation that has no row refuses to start.
 */
export const accessTable: ReadonlyMap<string, AccessRule> = new Map<string, AccessRule>([
  ["postern.auth.v1.AuthService/Login", ["login"]],
  ["postern.auth.v1.AuthService/Refresh", ["login"]],
  ["postern.auth.v1.AuthService/Introspect", ["introspect", "introspect:any"]],
  ["postern.auth.v1.AuthService/Revoke", ["revoke", "revoke:any"]],
  ["postern.auth.v1.AuthService/ListSessions", ["sessions", "sessions:any"]],
  ["postern.auth.v1.AuthService/WatchRevocations", ["watch"]],
  ["postern.admin.v1.AdminService/CreateUser", ["users"]],
  ["postern.admin.v1.AdminService/GetUser", ["users"]],
  ["postern.admin.v1.AdminService/ListUsers", ["users"]],
  ["postern.admin.v1.AdminService/DisableUser", ["users"]],
  ["postern.admin.v1.AdminService/EnableUser", ["users"]],
  ["postern.admin.v1.AdminService/SetPassword", ["users"]],
  ["postern.admin.v1.AdminService/ListAuditEvents", ["admin"]],
  // A proxy has no credential of its own. The answer says only whether the token in hand is active.
  ["envoy.service.auth.v3.Authorization/Check", "public"],
  ["forward-auth", "public"],
  ["grpc.health.v1.Health/Check", "public"],
  ["grpc.health.v1.Health/Watch", "public"],
  ["jwks", "public"],
  ["metadata", "public"],
]);

/** @throws {Error} naming the operations that have no row */
export function requireRules(
  operations: readonly string[],
  table: ReadonlyMap<string, AccessRule> = accessTable,
): void {
  const missing = operations.filter((operation) => !table.has(operation));
  if (missing.length > 0) throw new Error(`no access rule for ${missing.join(", ")}`);
}
