import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { PosternError } from "../domain/errors.ts";
import type { HeadRead } from "../domain/revocation/read-index.ts";
import { type FinishedCall, methodName } from "../rpc/chain.ts";
import type { Metrics } from "./metrics.ts";

/** Methods that may have put something into the log where they are answered; a login ends the oldest session. */
const revoking: ReadonlySet<DescMethod> = new Set<DescMethod>([
  AuthService.method.login,
  AuthService.method.revoke,
  AdminService.method.setPassword,
  AdminService.method.disableUser,
]);

/** Whether the log may have grown by the call; of refreshes, which are many, by those alone that end their session. */
export function mayHaveRevoked({ method, error }: FinishedCall): boolean {
  return error === undefined ? revoking.has(method) : isReuse(error);
}

function isReuse(error: unknown): boolean {
  return error instanceof PosternError && error.reason === "REFRESH_TOKEN_REUSED";
}

export function countCall(metrics: Metrics, { method, error, durationMs }: FinishedCall): void {
  const name = methodName(method);
  metrics.calls.inc({ method: name, outcome: outcomeOf(error) });
  metrics.callSeconds.observe({ method: name }, durationMs / 1000);
  if (isReuse(error)) metrics.reuse.inc();
}

function outcomeOf(error: unknown): string {
  if (error === undefined) return "ok";
  if (error instanceof PosternError) return error.reason;
  return error instanceof ConnectError ? Code[error.code] : "INTERNAL";
}

export function countRead(metrics: Metrics, { isAnswered, durationMs, copied, fetched }: HeadRead): void {
  metrics.headReads.inc({ outcome: isAnswered ? "answered" : "failed" });
  metrics.headReadSeconds.observe(durationMs / 1000);
  metrics.logEntries.inc({ source: "redis" }, copied);
  metrics.logEntries.inc({ source: "postgres" }, fetched);
}
