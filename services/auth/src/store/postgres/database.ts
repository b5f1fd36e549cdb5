import type { Socket } from "node:net";
import { type ClientBase, Pool, type PoolClient, type QueryResultRow } from "pg";
import { PosternError } from "../../domain/errors.ts";
import { remainingMs } from "../../lib/deadline.ts";
import { LateError, within } from "../../lib/within.ts";
import { describeFault, isOfTheMoment, isSqlError, StandbyError } from "./connection-faults.ts";
import { queryPinned, typeParsers } from "./pinned.ts";

/** Waiting longer than this for a connection and an answer together is `UNAVAILABLE`. */
export const patienceMs = 1_000;
/** A statement whose answer is this late will not come; its connection is closed. */
const lostAfterMs = 30_000;
/** Faults of one kind are told so often: in an overload there are thousands a second. */
const tellEveryMs = 1_000;

/** Those after which the server closes the connection. */
const closing = /^(08|57P)/;

/** Runs statements. Every fault of the store leaves it as PosternError `UNAVAILABLE`. */
export interface Queries {
  /** Not sent where the call that it is for (`lib/deadline.ts`) has given up by then. */
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** A pool of connections. */
export interface Database extends Queries, AsyncDisposable {
  /** The pool at this moment. */
  state(): PoolState;
}

export interface PoolState {
  readonly name: string;
  /** Connections with a statement under way, or set aside. */
  readonly used: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
  /** Statements that were given no connection, since the start. */
  readonly refused: number;
}

export interface DatabaseOptions {
  /** Instead of the `patienceMs` that calls have: for those who would rather wait. */
  readonly patienceMs?: number;
  readonly url: string;
  readonly maxConnections: number;
  readonly name: string;
  /** Waiting longer than this for others to give a connection back is `UNAVAILABLE`; absent: `patienceMs`. */
  readonly fullPoolMs?: number;
  /** Nothing is lost with a connection that only reads: it is closed as soon as its answer is late. */
  readonly readsOnly?: boolean;
  /** Told of faults that no call is waiting for, and of the causes behind `UNAVAILABLE`. */
  readonly onFault: (error: unknown) => void;
}

/**
 * A pool on the primary. A statement that is past its time is never cancelled: a cancelled commit that waits
 * for a lost standby reports success. Its connection is set aside until the outcome is known, so that
 * nothing else is sent behind it, and the call is answered `UNAVAILABLE` at once.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { patienceMs: patience = patienceMs, readsOnly = false } = options;
  const pool = new Pool({
    connectionString: options.url,
    max: options.maxConnections,
    connectionTimeoutMillis: patience,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: options.name,
    types: typeParsers,
    verify: demandPrimary,
  });
  pool.on("error", options.onFault);
  const unavailable = createUnavailable(options.onFault);
  const sockets = new Set<Socket>();
  pool.on("connect", (client) => {
    // One that breaks between two statements, or is told of the server's end while it says goodbye, reports to its own
    // listeners as well as to the pool; without any the process would end.
    client.on("error", () => {});
    const socket = socketOf(client);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  let refused = 0;

  async function connect(untilMs: number): Promise<PoolClient> {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) {
      refused += 1;
      throw unavailable(new LateError("the caller has given up"));
    }
    const isFull = pool.idleCount === 0 && sockets.size >= options.maxConnections;
    // It throws where a file of the URL can no longer be read.
    const connecting = (async () => pool.connect())();
    try {
      const waitMs = isFull ? Math.min(options.fullPoolMs ?? patience, leftMs) : leftMs;
      const client = await within(waitMs, "connection", connecting);
      if (performance.now() < untilMs) return client;
      throw new LateError("the caller has given up");
    } catch (error) {
      refused += 1;
      // One that comes too late goes to the next in the queue.
      connecting.then((client) => client.release()).catch(() => {});
      throw unavailable(error);
    }
  }

  return {
    async query<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
      const untilMs = performance.now() + Math.min(patience, remainingMs());
      const client = await connect(untilMs);
      const release = (broken: boolean) => {
        clearTimeout(lost);
        client.release(broken);
      };
      // The statement below then fails and releases.
      const lost = setTimeout(() => socketOf(client).destroy(), readsOnly ? patience : lostAfterMs);
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
    async [Symbol.asyncDispose]() {
      // A server that is frozen or cut off neither answers nor says goodbye.
      const cut = setInterval(() => {
        for (const socket of sockets) socket.destroy();
      }, patienceMs);
      try {
        await pool.end();
        await Promise.all([...sockets].map(closed));
      } finally {
        clearInterval(cut);
      }
    },
  };
}

/**
 * Refuses a new connection to a standby: it would answer reads from what it knows by now. A primary becomes none under
 * an open connection only behind a pooler; what decides about a login or a token asks again in its own statement.
 */
function demandPrimary(client: PoolClient, done: (error?: Error) => void): void {
  client
    .query<{ standby: boolean }>("select pg_catalog.pg_is_in_recovery() as standby")
    .then(({ rows }) => done(rows[0]?.standby === false ? undefined : new StandbyError()), done);
}

/** Resolves once it is closed, in whatever way: one that is reset is no reason not to end. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

/** The socket of a connection; destroying it is the one way out where the server does not answer. */
export function socketOf(client: ClientBase): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

/** Makes what a fault becomes outside, and tells of the fault. */
function createUnavailable(onFault: (error: unknown) => void): (fault: unknown) => PosternError {
  const toldAtMs = new Map<string, number>();
  return (fault) => {
    const [kind, nowMs] = [kindOf(fault), performance.now()];
    if (nowMs - (toldAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) >= tellEveryMs) {
      toldAtMs.set(kind, nowMs);
      onFault(fault);
    }
    const message = describeFault(fault);
    return new PosternError("UNAVAILABLE", { cause: fault, ...(message === undefined ? {} : { message }) });
  };
}

function kindOf(fault: unknown): string {
  if (!(fault instanceof Error)) return "";
  return "code" in fault ? `${fault.name} ${fault.code}` : fault.name;
}
