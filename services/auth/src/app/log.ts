import { Code, ConnectError } from "@connectrpc/connect";
import pino, { type Logger } from "pino";
import { PosternError } from "../domain/errors.ts";
import { type FinishedCall, methodName } from "../rpc/chain.ts";
import type { LogSink } from "./log-sink.ts";

/** Whatever is logged under these names, at the top or one level down, is a secret. */
const secretNames = [
  "password",
  "token",
  "refreshToken",
  "accessToken",
  "authorization",
  "secret",
  "masterKey",
];

/** One JSON line an event. */
export function createLogger(level: string, sink: LogSink): Logger {
  return pino(
    {
      level,
      base: { name: "postern" },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: secretNames.flatMap((name) => [name, `*.${name}`]),
      serializers: { error: describe },
    },
    sink,
  );
}

/** A call that went wrong is worth a line; one that went well only when somebody looks closely. */
export function logCall(log: Logger, { method, requestId, error, durationMs }: FinishedCall): void {
  const line = {
    event: "rpc",
    method: methodName(method),
    request_id: requestId,
    ms: Math.round(durationMs * 10) / 10,
  };
  if (error === undefined) log.debug(line);
  else if (error instanceof PosternError && error.reason !== "INTERNAL")
    log.info({ ...line, reason: error.reason });
  else if (error instanceof ConnectError && error.code !== Code.Internal)
    log.info({ ...line, code: Code[error.code] });
  else log.error({ ...line, error });
}

/**
 * An error's class, code, message and stack. Messages of Postgres about a statement can quote values, so only their code is
 * logged. Class 25 is about transactions and quotes none.
 */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: typeof error };
  const code = "code" in error ? String(error.code) : undefined;
  const quotesValues = code !== undefined && /^(2[0-46-9]|P0)/.test(code);
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    ...(quotesValues ? {} : { message: error.message, stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  };
}
