// The thread of a storm of logins. It posts a message at the first refusal, and the report when it must stop.
import { parentPort, workerData } from "node:worker_threads";
import { fromBinary } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { type HttpAnswer, type HttpConnection, openHttpConnection } from "../support/load/http-connection.ts";
import { spreadOf } from "../support/load/open-loop.ts";
import type { StormOptions, StormReport } from "./login-storm.ts";

const { url, credential, inFlight, attempts }: StormOptions = workerData;
const { hostname: host, port } = new URL(url);

const outcomes: Record<string, number> = {};
const hashedMs: number[] = [];
const refusedMs: number[] = [];
const startedAtMs = performance.now();
let isStopping = false;
let made = 0;

function nextRequest(): string {
  const attempt = attempts[made % attempts.length];
  made += 1;
  const body = JSON.stringify(attempt);
  return [
    "POST /postern.auth.v1.AuthService/Login HTTP/1.1",
    `host: ${host}:${port}`,
    `authorization: Bearer ${credential}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

function outcomeOf({ status, body }: HttpAnswer): string {
  if (status === 200) return "ok";
  // What ends the call before any protocol does has no body.
  if (body === "") return `status ${status}`;
  const { code, details = [] } = JSON.parse(body) as { code: string; details?: { value: string }[] };
  const [detail] = details.map(({ value }) => fromBinary(ErrorDetailSchema, Buffer.from(value, "base64")));
  if (detail === undefined) return code;
  const reason = Reason[detail.reason];
  return detail.retryAfter === undefined
    ? reason
    : `${reason}, retry after ${durationMs(detail.retryAfter) / 1_000} s`;
}

async function lane(): Promise<void> {
  let connection: HttpConnection | undefined;
  while (!isStopping) {
    if (!connection?.isOpen) connection = openHttpConnection({ host, port: Number(port) });
    const sentAtMs = performance.now();
    const outcome = await connection.exchange(nextRequest()).then(outcomeOf, String);
    const isHashed = outcome === "ok" || outcome === "INVALID_CREDENTIALS";
    if (!isHashed && refusedMs.length === 0) parentPort?.postMessage("refused");
    (isHashed ? hashedMs : refusedMs).push(performance.now() - sentAtMs);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  connection?.destroy();
}

parentPort?.once("message", () => {
  isStopping = true;
});
await Promise.all(Array.from({ length: inFlight }, lane));
parentPort?.postMessage({
  outcomes,
  hashedMs: spreadOf(hashedMs),
  refusedMs: spreadOf(refusedMs),
  seconds: (performance.now() - startedAtMs) / 1_000,
} satisfies StormReport);
