import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { quantileOf } from "../spread.ts";
import { grpcConnections, inFlight, type Load, type Seen } from "./load.ts";

/** One that has not had its answers by then is given up. */
const timeoutMs = 120_000;

/** gRPC by h2load, which sends one and the same message at every call. */
export async function h2load({ url, path, credential, requests, calls }: Load): Promise<Seen> {
  const [message, ...others] = requests;
  if (message === undefined || others.length > 0) throw new Error("h2load sends one message");
  const folder = await mkdtemp(`${tmpdir()}/postern-bench-`);
  try {
    await writeFile(`${folder}/message`, message, { mode: 0o600 });
    // It takes headers in no other way; the credential is one of this run's server alone.
    const headers = [
      "content-type: application/grpc+proto",
      "te: trailers",
      ...(credential === undefined ? [] : [`authorization: Bearer ${credential}`]),
    ];
    const args = [
      ...["-t", "1", "-c", `${grpcConnections}`, "-m", `${inFlight / grpcConnections}`, "-n", `${calls}`],
      ...["-d", `${folder}/message`, `--log-file=${folder}/log`, ...headers.flatMap((one) => ["-H", one])],
      `${url}${path}`,
    ];
    const { stdout } = await promisify(execFile)("h2load", args, { timeout: timeoutMs }).catch(
      // The error would contain the arguments, and so the credential.
      ({ stderr }: { readonly stderr?: string }) => {
        throw new Error(`h2load failed: ${stderr}`);
      },
    );
    if (!stdout.includes(` ${calls} succeeded, 0 failed, 0 errored`)) {
      throw new Error(`not all calls of h2load were answered:\n${stdout}`);
    }
    return seenIn(await readFile(`${folder}/log`, "utf8"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @param log a line a call: when it began, its HTTP status, how long it took; both times in microseconds */
function seenIn(log: string): Seen {
  const calls = log
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t").map(Number) as [number, number, number]);
  const tookMs = calls.map(([, , micros]) => micros / 1_000).sort((a, b) => a - b);
  const begin = calls.reduce((least, [at]) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const end = calls.reduce((most, [at, , micros]) => Math.max(most, at + micros), 0);
  return { seconds: (end - begin) / 1e6, p50Ms: quantileOf(tookMs, 0.5), p99Ms: quantileOf(tookMs, 0.99) };
}
