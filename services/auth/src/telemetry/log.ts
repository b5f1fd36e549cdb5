import pino, { type Logger } from "pino";
import type { LogSink } from "./log-sink.ts";

/** Values under these names, at the top or one level down, are secrets and not logged. */
const secretNames = [
  "password",
  "token",
  "refreshToken",
  "accessToken",
  "authorization",
  "secret",
  "masterKey",
];

/** One line of JSON for each event. */
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
