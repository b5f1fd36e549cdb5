import { Health } from "@postern/proto/grpc/health/v1/health_pb.js";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { expect, test } from "vitest";
import { accessTable, demandRules } from "./access-table.ts";

test("every method of every service has its rule", () => {
  expect(() => demandRules([AuthService, AdminService, Health])).not.toThrow();
});

test("methods without a rule are refused, and all of them named", () => {
  const missing = [AuthService.method.refresh, AdminService.method.setPassword];
  const table = new Map([...accessTable].filter(([method]) => !(missing as unknown[]).includes(method)));
  expect(() => demandRules([AuthService, AdminService, Health], table)).toThrow(
    "no access rule for postern.auth.v1.AuthService/Refresh, postern.admin.v1.AdminService/SetPassword",
  );
});

test("a method is found by what it is, not by its name", () => {
  const named = { ...AuthService.method.refresh };
  const table = new Map([...accessTable, [named, "public" as const]]);
  table.delete(AuthService.method.refresh);
  expect(() => demandRules([AuthService], table)).toThrow("AuthService/Refresh");
});
