import { setTimeout as wait } from "node:timers/promises";
import { queryPinned } from "./pinned.ts";
import { type Connection, withConnection } from "./single-connection.ts";

/** A connection that holds a lock, or is ahead in the queue for it. */
export interface LockHolder {
  /** 0 for a prepared transaction. */
  readonly pid: number;
  readonly role: string | null;
  readonly application: string | null;
}

/** Called with the holders, and again when they change. */
export type OnWait = (holders: readonly LockHolder[]) => void;

/** Time before the first look and between looks. Most work ends earlier and needs no second connection. */
const everyMs = 1_000;

/** Reports, until it is disposed of, whose locks a connection waits for. `pid` is its Postgres process. */
export function watchLocks(connection: Connection, pid: number, onWait: OnWait): AsyncDisposable {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, ...(connection.signal ? [connection.signal] : [])]);
  const watching = watch();

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      try {
        await wait(everyMs, undefined, { signal });
        await withConnection({ ...connection, name: "postern lock watch", signal }, async (client) => {
          let reported = "[]";
          while (!signal.aborted) {
            const holders = await queryPinned<LockHolder & Record<string, unknown>>(client, {
              sql: `select b.pid, a.usename as role, a.application_name as application
                from unnest(pg_blocking_pids($1)) as b (pid) left join pg_stat_activity a on a.pid = b.pid
                order by b.pid`,
              values: [pid],
              readsOnly: true,
            });
            const found = JSON.stringify(holders);
            if (found !== reported && holders.length > 0) onWait(holders);
            reported = found;
            await wait(everyMs, undefined, { signal });
          }
        });
      } catch {
        // Without a connection there is no report; the next round retries.
      }
    }
  }

  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await watching;
    },
  };
}
