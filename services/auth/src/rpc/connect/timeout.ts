/** The longest deadline of a unary call. A longer one that a client asks for is cut to it. */
export const maxTimeoutMs = 10_000;
/** The longest time that Connect's timers count. They end a call immediately that asks for more. */
const longestTimerMs = 2 ** 31 - 1;

const grpcTimeout = /^(\d{1,8})([HMSmun])$/;
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Gives a unary call a deadline. Connect refuses malformed timeouts itself.
 * @returns milliseconds
 */
export function capTimeout(header: Headers): number {
  const asked = askedTimeoutMs(header);
  if (asked > maxTimeoutMs) {
    header.set(timeoutName(header), isGrpc(header) ? `${maxTimeoutMs}m` : String(maxTimeoutMs));
  }
  return Math.min(asked, maxTimeoutMs);
}

/** Lets a stream run without an end if it asks for more time than Connect can count. */
export function dropEndlessTimeout(header: Headers): void {
  if (askedTimeoutMs(header) > longestTimerMs) header.delete(timeoutName(header));
}

/** gRPC or gRPC-Web. */
export function isGrpc(header: Headers): boolean {
  return /^application\/grpc/i.test(header.get("content-type") ?? "");
}

function timeoutName(header: Headers): "grpc-timeout" | "connect-timeout-ms" {
  return isGrpc(header) ? "grpc-timeout" : "connect-timeout-ms";
}

/** `Infinity` without a timeout; the maximum for a malformed one. */
function askedTimeoutMs(header: Headers): number {
  const given = header.get(timeoutName(header));
  if (given === null) return Number.POSITIVE_INFINITY;
  if (!isGrpc(header)) return /^\d{1,10}$/.test(given) ? Number(given) : maxTimeoutMs;
  const [, digits, unit] = grpcTimeout.exec(given) ?? [];
  return digits === undefined ? maxTimeoutMs : Number(digits) * (unitMs[unit ?? ""] ?? 0);
}
