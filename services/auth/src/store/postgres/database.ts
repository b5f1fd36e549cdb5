import { once } from "node:events";
import type { Socket } from "node:net";
import { type ClientBase, Pool, type PoolClient, type QueryResultRow } from "pg";
import { PosternError } from "../../domain/errors.ts";

/** Waiting longer than this for a connection, or for an answer, is `UNAVAILABLE`. */
export const patienceMs = 1_000;
/** A statement whose answer is this late will not come; its connection is closed. */
const lostAfterMs = 30_000;

/** SQLSTATE classes and codes that say something of the server or the moment, nothing of the statement. */
const passing = /^(08|53|57P|25006|40|55P03|57014|58)/;
/** Those after which the server closes the connection. */
const closing = /^(08|57P)/;

/** Runs statements. Every fault of the store leaves it as PosternError `UNAVAILABLE`. */
export interface Database extends AsyncDisposable {
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly maxConnections: number;
  readonly name: string;
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
  const pool = new Pool({
    connectionString: options.url,
    max: options.maxConnections,
    connectionTimeoutMillis: patienceMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: options.name,
  });
  pool.on("error", options.onFault);
  const sockets = new Set<Socket>();
  pool.on("connect", (client) => {
    const socket = socketOf(client);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  async function connect(): Promise<PoolClient> {
    try {
      return await pool.connect();
    } catch (error) {
      throw unavailable(error, options.onFault);
    }
  }

  return {
    async query<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
      const client = await connect();
      // A connection that breaks between two statements reports to its own listeners as well as to the pool.
      const onError = () => {};
      client.on("error", onError);
      const release = (broken: boolean) => {
        clearTimeout(lost);
        client.off("error", onError);
        client.release(broken);
      };
      // The statement below then fails and releases.
      const lost = setTimeout(() => socketOf(client).destroy(), options.readsOnly ? patienceMs : lostAfterMs);
      lost.unref();
      const answer = client.query<Row>(sql, values as unknown[]).then(
        (result) => {
          release(false);
          return result.rows;
        },
        (error: unknown) => {
          release(!isSqlError(error) || closing.test(error.code));
          throw translate(error, options.onFault);
        },
      );
      return await inTime(answer, options.onFault);
    },
    async [Symbol.asyncDispose]() {
      // A server that is frozen or cut off neither answers nor says goodbye.
      const cut = setInterval(() => {
        for (const socket of sockets) socket.destroy();
      }, patienceMs);
      try {
        await pool.end();
        await Promise.all([...sockets].map((socket) => once(socket, "close")));
      } finally {
        clearInterval(cut);
      }
    },
  };
}

/** The socket of a connection; destroying it is the one way out where the server does not answer. */
export function socketOf(client: ClientBase): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

async function inTime<T>(answer: Promise<T>, onFault: (error: unknown) => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const fault = () => reject(unavailable(new Error(`no answer within ${patienceMs} ms`), onFault));
    timer = setTimeout(fault, patienceMs);
  });
  // Whichever loses the race must not become an unhandled rejection.
  answer.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isSqlError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "code" in error && /^[0-9A-Z]{5}$/.test(String(error.code));
}

function translate(error: unknown, onFault: (error: unknown) => void): unknown {
  // What is wrong with a statement is a fault of ours, not of the store.
  if (isSqlError(error) && !passing.test(error.code)) return error;
  return unavailable(error, onFault);
}

function unavailable(error: unknown, onFault: (error: unknown) => void): PosternError {
  onFault(error);
  return new PosternError("UNAVAILABLE", { cause: error });
}
