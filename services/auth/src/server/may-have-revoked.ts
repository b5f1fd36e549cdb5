import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { FinishedCall } from "../call/finished-call.ts";
import { operationOf } from "../rpc/methods/method.ts";

/** Methods that may have put something into the log where they are answered; a login ends the oldest session. */
const revoking: ReadonlySet<string> = new Set(
  [
    AuthService.method.login,
    AuthService.method.revoke,
    AdminService.method.setPassword,
    AdminService.method.disableUser,
  ].map(operationOf),
);

/** Whether the log may have grown by the call; of refreshes, which are many, by those alone that end their session. */
export function mayHaveRevoked({ operation, outcome }: FinishedCall): boolean {
  return outcome === "ok" ? revoking.has(operation) : outcome === "REFRESH_TOKEN_REUSED";
}
