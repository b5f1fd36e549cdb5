import type { Logger } from "pino";
import type { FinishedCall } from "../call/finished-call.ts";
import { AuthError } from "../domain/errors.ts";
import type { HeadRead } from "../domain/revocation/revocation-log-reader.ts";
import type { Metrics } from "./metrics.ts";

/** What happens in a server, one function for each event. The log and the metrics are behind it. */
export type Events = ReturnType<typeof createEvents>;

export function createEvents(log: Logger, metrics: Metrics) {
  return {
    ...callEvents(log, metrics),
    ...revocationEvents(log, metrics),
    ...workEvents(log, metrics),
    ...redisEvents(log),
    ...startEvents(log),
  };
}

function callEvents(log: Logger, metrics: Metrics) {
  return {
    /** A call that failed is logged; one that succeeded only at the level `debug`. */
    callFinished({ operation, id, outcome, isFault, error, durationMs }: FinishedCall): void {
      metrics.calls.inc({ method: operation, outcome });
      metrics.callSeconds.observe({ method: operation }, durationMs / 1000);
      if (outcome === "REFRESH_TOKEN_REUSED") metrics.reuse.inc();
      const line = { event: "rpc", method: operation, request_id: id, ms: Math.round(durationMs * 10) / 10 };
      if (error === undefined) log.debug(line);
      else if (isFault) log.error({ ...line, error });
      else if (error instanceof AuthError) log.info({ ...line, reason: outcome });
      else log.info({ ...line, code: outcome });
    },
    /** A call was refused before it was read. Counted only: a line would cost as much as the refusal. */
    callShed(operation: string): void {
      metrics.calls.inc({ method: operation, outcome: "OVERLOADED" });
    },
    answerFailed(error: unknown): void {
      log.debug({ event: "answer_failed", error });
    },
    opsFailed(error: unknown): void {
      log.error({ event: "ops_failed", error });
    },
    /** A limit of failed logins refused a login or made it wait. */
    loginLimited(budget: string, what: string): void {
      metrics.loginLimits.inc({ budget, what });
    },
    failedLoginsNotRecorded(error: unknown): void {
      log.error({ event: "audit_failed", error }, "refused logins could not be recorded in the audit");
    },
  };
}

function revocationEvents(log: Logger, metrics: Metrics) {
  return {
    headRead({ isAnswered, durationMs, copied, fetched }: HeadRead): void {
      metrics.headReads.inc({ outcome: isAnswered ? "answered" : "failed" });
      metrics.headReadSeconds.observe(durationMs / 1000);
      metrics.logEntries.inc({ source: "redis" }, copied);
      metrics.logEntries.inc({ source: "postgres" }, fetched);
    },
    logRewound(found: object): void {
      metrics.rewinds.inc();
      log.error(
        { event: "log_rewound", ...found },
        "the database was restored to an earlier state: run `postern recover`",
      );
    },
    rewindNotRecorded(error: unknown): void {
      log.error({ event: "audit_failed", error }, "the rewind could not be recorded in the audit");
    },
    keyUnreadable(error: unknown): void {
      log.error({ event: "key_unreadable", error });
    },
  };
}

function redisEvents(log: Logger) {
  return {
    redisChanged(isUp: boolean, error: unknown): void {
      if (isUp) log.info({ event: "redis_up" });
      else log.warn({ event: "redis_down", error });
    },
    redisFault(reason: string): void {
      log.warn({ event: "redis_fault", reason });
    },
    redisEvicts(policy: string): void {
      log.warn(
        { event: "redis_evicts", policy },
        "set maxmemory-policy to noeviction: see docs/operate/redis.md",
      );
    },
  };
}

/** Background jobs. */
function workEvents(log: Logger, metrics: Metrics) {
  return {
    /** Sets the counts of a job to zero: an alert needs a number to increase from. */
    jobStarted(job: string): void {
      for (const outcome of ["done", "failed"]) metrics.jobs.inc({ job, outcome }, 0);
    },
    jobDone(job: string): void {
      metrics.jobs.inc({ job, outcome: "done" });
    },
    jobFailed(job: string, error: unknown): void {
      metrics.jobs.inc({ job, outcome: "failed" });
      log.warn({ event: "job_failed", job, error });
    },
    rowsCleaned(kind: string, rows: number): void {
      metrics.cleanedRows.inc({ kind }, rows);
    },
    keysRotated(step: object): void {
      log.info({ event: "keys_rotated", ...step });
    },
  };
}

/** The start, and the database. */
function startEvents(log: Logger) {
  return {
    memoryShort(limitBytes: number, neededBytes: number): void {
      const mib = (bytes: number) => Math.round(bytes / (1024 * 1024));
      log.warn(
        { event: "memory_short", limit_mib: mib(limitBytes), wanted_mib: mib(neededBytes) },
        "logins can use more memory than this process may have, and end it: see docs/operate/capacity.md",
      );
    },
    openFilesShort(connections: number): void {
      log.warn(
        { event: "open_files_short", connections },
        "raise the limit of open files (ulimit -n): client connections can use all of them, see docs/operate/capacity.md",
      );
    },
    waitingForLock(held_by: readonly object[]): void {
      log.warn(
        { event: "waiting_for_lock", held_by },
        "the schema check or migration waits for locks that these connections hold",
      );
    },
    waitingForDatabase(error: unknown, message: string | undefined): void {
      log.warn({ event: "waiting_for_database", error }, message);
    },
    /** @param statements that revoke the rights */
    databaseOpenToAllRoles(statements: readonly string[]): void {
      log.warn(
        { event: "database_open_to_all_roles", run: statements },
        "every role of the database server has rights on this database that it should not have: run the listed statements, see docs/operate/postgres.md",
      );
    },
    /** A fault of the database does not end a running server. It may be fixed without a change of the URL. */
    storeFault(error: unknown, message: string | undefined): void {
      log.warn({ event: "store_fault", error }, message);
    },
  };
}
