import type { Socket } from "node:net";
import { type ClientBase, Pool, type PoolClient, type QueryResultRow } from "pg";
import { AuthError } from "../../domain/errors.ts";
import { remainingMs } from "../../lib/deadline.ts";
import { LateError, within } from "../../lib/within.ts";
import { describeFault, isOfTheMoment, isSqlError, StandbyError } from "./connection-faults.ts";
import { queryPinned, typeParsers } from "./pinned.ts";

/** Maximum time that a call waits for a connection and an answer together, before it is answered `UNAVAILABLE`. */
export const callTimeoutMs = 1_000;
/** Time after which a connection without an answer is closed. */
const lostAfterMs = 30_000;
/** Minimum time between two reports of one kind of fault: an overload has thousands a second. */
const reportEveryMs = 1_000;

/** SQLSTATEs after which the server closes the connection. */
const closing = /^(08|57P)/;

/** Runs statements. Every fault of the store becomes an AuthError `UNAVAILABLE`. */
export interface Queries {
  /** Sends nothing if the deadline of the call (`lib/deadline.ts`) has passed. */
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** A pool of connections. */
export interface Database extends Queries, AsyncDisposable {
  /** The current state of the pool. */
  state(): PoolState;
}

export interface PoolState {
  readonly name: string;
  /** Connections with a running statement, including those that are set aside. */
  readonly used: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
  /** Statements that got no connection, since the start. */
  readonly refused: number;
}

export interface DatabaseOptions {
  /** Maximum time for a connection and an answer together. Default: `callTimeoutMs`; commands can wait longer. */
  readonly timeoutMs?: number;
  readonly url: string;
  readonly maxConnections: number;
  readonly name: string;
  /** Maximum time to wait for a connection of a pool that is in use completely. Default: `timeoutMs`. */
  readonly fullPoolMs?: number;
  /** The pool only reads, so a connection can be closed as soon as its answer is late: nothing is lost with it. */
  readonly readsOnly?: boolean;
  /** Called with faults that no call waits for, and with the causes of `UNAVAILABLE`. */
  readonly onFault: (error: unknown) => void;
}

/**
 * A pool on the primary. A statement that takes too long is never cancelled: a cancelled commit that waits for a lost
 * standby reports success. The call is answered `UNAVAILABLE` immediately. The connection is set aside until the outcome is
 * known, so that no other statement waits behind it.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { timeoutMs = callTimeoutMs, readsOnly = false } = options;
  const { pool, sockets } = openPool(options, timeoutMs);
  const unavailable = createUnavailable(options.onFault);
  let refused = 0;

  async function connect(untilMs: number): Promise<PoolClient> {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) {
      refused += 1;
      throw unavailable(new LateError("the caller has given up"));
    }
    const isFull = pool.idleCount === 0 && sockets.size >= options.maxConnections;
    // Throws if a file of the URL can no longer be read.
    const connecting = (async () => pool.connect())();
    try {
      const waitMs = isFull ? Math.min(options.fullPoolMs ?? timeoutMs, leftMs) : leftMs;
      const client = await within(waitMs, "connection", connecting);
      if (performance.now() < untilMs) return client;
      throw new LateError("the caller has given up");
    } catch (error) {
      refused += 1;
      // A connection that comes too late goes to the next in the queue.
      connecting.then((client) => client.release()).catch(() => {});
      throw unavailable(error);
    }
  }

  return {
    async query<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
      const untilMs = performance.now() + Math.min(timeoutMs, remainingMs());
      const client = await connect(untilMs);
      const release = (broken: boolean) => {
        clearTimeout(lost);
        client.release(broken);
      };
      // The statement below then fails and releases.
      const lost = setTimeout(() => socketOf(client).destroy(), readsOnly ? timeoutMs : lostAfterMs);
      lost.unref();
      const answer = queryPinned<Row>(client, { sql, values, readsOnly }).then(
        (rows) => {
          release(false);
          return rows;
        },
        (error: unknown) => {
          release(!isSqlError(error) || closing.test(error.code));
          throw isOfTheMoment(error) ? unavailable(error) : error;
        },
      );
      try {
        return await within(Math.max(0, untilMs - performance.now()), "answer", answer);
      } catch (error) {
        throw error instanceof LateError ? unavailable(error) : error;
      }
    },
    state() {
      const { idleCount: idle, totalCount, waitingCount: waiting } = pool;
      return { name: options.name, used: totalCount - idle, idle, waiting, refused };
    },
    [Symbol.asyncDispose]: () => closePool(pool, sockets),
  };
}

/** Opens a pool, and keeps the set of its open sockets. */
function openPool(options: DatabaseOptions, timeoutMs: number): { pool: Pool; sockets: Set<Socket> } {
  const pool = new Pool({
    connectionString: options.url,
    max: options.maxConnections,
    connectionTimeoutMillis: timeoutMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: options.name,
    types: typeParsers,
    verify: demandPrimary,
  });
  pool.on("error", options.onFault);
  const sockets = new Set<Socket>();
  pool.on("connect", (client) => {
    // A connection that breaks between two statements, or while it closes, emits an error to its own listeners as well as to
    // the pool. Without a listener the process would end.
    client.on("error", () => {});
    const socket = socketOf(client);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return { pool, sockets };
}

async function closePool(pool: Pool, sockets: ReadonlySet<Socket>): Promise<void> {
  // A server that is frozen or cut off does not close the connection.
  const cut = setInterval(() => {
    for (const socket of sockets) socket.destroy();
  }, callTimeoutMs);
  try {
    await pool.end();
    await Promise.all([...sockets].map(closed));
  } finally {
    clearInterval(cut);
  }
}

/**
 * Refuses a new connection to a standby, which may answer reads from old data. A primary can become a standby under an open
 * connection only behind a pooler. Statements that decide about a login or a token check again.
 */
function demandPrimary(client: PoolClient, done: (error?: Error) => void): void {
  client
    .query<{ standby: boolean }>("select pg_catalog.pg_is_in_recovery() as standby")
    .then(({ rows }) => done(rows[0]?.standby === false ? undefined : new StandbyError()), done);
}

/** Resolves when the socket is closed, also by a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

/** The socket of a connection. If the server does not answer, only destroying the socket ends the connection. */
export function socketOf(client: ClientBase): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

/** Turns a fault into the error that callers see, and reports the fault. */
function createUnavailable(onFault: (error: unknown) => void): (fault: unknown) => AuthError {
  const reportedAtMs = new Map<string, number>();
  return (fault) => {
    const [kind, nowMs] = [kindOf(fault), performance.now()];
    if (nowMs - (reportedAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) >= reportEveryMs) {
      reportedAtMs.set(kind, nowMs);
      onFault(fault);
    }
    const message = describeFault(fault);
    return new AuthError("UNAVAILABLE", { cause: fault, ...(message === undefined ? {} : { message }) });
  };
}

function kindOf(fault: unknown): string {
  if (!(fault instanceof Error)) return "";
  return "code" in fault ? `${fault.name} ${fault.code}` : fault.name;
}
