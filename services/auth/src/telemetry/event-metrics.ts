import type { Instruments } from "./instruments.ts";

/** Metrics that are counted as things happen. */
export function createEventMetrics({ counter, histogram }: Instruments) {
  return {
    calls: counter(
      "postern_rpc_calls_total",
      "Calls answered, by method and outcome (`ok` or the reason). HTTP endpoints count as `forward-auth`, `jwks` and `metadata`.",
      ["method", "outcome"],
    ),
    callSeconds: histogram(
      "postern_rpc_duration_seconds",
      "Time from the arrival of a request's headers to its answer, by method; for a stream, to its end.",
      ["method"],
    ),
    reuse: counter(
      "postern_refresh_reuse_total",
      "Refresh tokens that were used again after they had been spent. Each of them ended its session.",
    ),
    loginLimits: counter(
      "postern_login_limits_total",
      "Logins that a limit of failed logins refused or delayed, by budget. Alert on `refused` of `total`: an attacker guesses passwords of many accounts.",
      ["budget", "what"],
    ),
    headReads: counter(
      "postern_head_reads_total",
      "Reads of the revocation log's head, by outcome (`answered`, `failed`). Calls share them.",
      ["outcome"],
    ),
    headReadSeconds: histogram(
      "postern_head_read_duration_seconds",
      "Time of a read of the head, with the new entries.",
    ),
    logEntries: counter(
      "postern_revocation_log_entries_total",
      "Entries of the revocation log that this replica received, by source (`postgres`, `redis`).",
      ["source"],
    ),
    rewinds: counter(
      "postern_revocation_log_rewinds_total",
      "Times that the revocation log was found rewound: the database was restored to an earlier state.",
    ),
    jobs: counter("postern_job_runs_total", "Background job runs, by job and outcome (`done`, `failed`).", [
      "job",
      "outcome",
    ]),
    cleanedRows: counter(
      "postern_cleaned_rows_total",
      "Rows that were no longer needed and that this replica deleted, by kind (`sessions`, `revocations`, `addresses`).",
      ["kind"],
    ),
  };
}
