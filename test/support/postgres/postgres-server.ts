/** A private Postgres server, listening on 127.0.0.1 only. */
export interface PostgresServer extends AsyncDisposable {
  /** Its superuser on the database `postgres`; the same after every `restart`. */
  readonly url: string;
  /** The postmaster's PID, if it is a local process. */
  readonly pid: number | undefined;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
  /** SIGKILL to postmaster and backends at once; resolves when they are gone. */
  kill9(): Promise<void>;
  /** Suspends every process: connections stay open and nothing answers. */
  freeze(): Promise<void>;
  /** Ends `freeze`. */
  thaw(): Promise<void>;
  /** Starts it on the same port and data; ends it in good order first if it runs. */
  restart(): Promise<void>;
}
