import {
  type ClientBase,
  type Connection,
  type CustomTypesConfig,
  Query,
  type QueryResultRow,
  types,
} from "pg";

/**
 * The settings at the start of every transaction. A role, a database or a session can have its own defaults, and a pooler
 * in transaction mode does not keep session settings. So each transaction sets what the code relies on:
 *
 * - isolation level: functions read rows again after they have waited for a lock. Other levels would fail with 40001.
 * - `search_path`: an object of another role must never be used in place of one of Postgres.
 * - `datestyle`: the driver reads only ISO.
 * - `synchronous_commit`: an acknowledged change survives a crash, and also the loss of the primary if
 *   `synchronous_standby_names` names a standby.
 *
 * Not set, because nothing relies on them: `timezone` (times are read with their offset, spans are kept in
 * milliseconds), `intervalstyle`, `bytea_output`, `extra_float_digits`, `standard_conforming_strings` (no SQL has a
 * backslash), `array_nulls`. Not set, because the operator decides them: `default_transaction_read_only`,
 * `statement_timeout`, `lock_timeout` and the timeouts of idle sessions. A call that one of these ends is answered with
 * `UNAVAILABLE`. Postgres stops these timeouts before a commit, so none of them ends the wait for a standby.
 */
const begin = "begin isolation level read committed";
const path = "set local search_path = pg_catalog, pg_temp";
const reading = [begin, path, "set local datestyle = iso"];
const writing = [...reading, "set local synchronous_commit = on"];

/** Commands as the messages Parse, Bind and Execute of the extended protocol, one after the other. */
class Commands {
  readonly count: number;
  readonly messages: Buffer;

  constructor(commands: readonly string[]) {
    this.count = commands.length;
    this.messages = Buffer.concat(
      commands.flatMap((text) => [
        message("P", `\0${text}\0\0\0`),
        message("B", "\0\0\0\0\0\0\0\0"),
        message("E", "\0\0\0\0\0"),
      ]),
    );
  }
}

function message(type: "P" | "B" | "E", body: string): Buffer {
  const head = Buffer.from(`${type}....`);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

const [forReading, forWriting, commit] = [reading, writing, ["commit"]].map((all) => new Commands(all)) as [
  Commands,
  Commands,
  Commands,
];

/** Parsers of the types that Postgres returns. 64-bit integers become numbers: none of them reaches 2^53. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

/** The parts of pg's `Query` that its types do not declare. */
interface DriverQuery {
  submit(connection: Connection): Error | null;
  handleCommandComplete(message: { readonly text: string }, connection: Connection): void;
  _getRows(connection: Connection): void;
}
interface DriverQueryConfig {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly queryMode: "extended";
}
type Callback = (error: Error | undefined, result: { readonly rows: unknown[] }) => void;
const DriverQuery = Query as unknown as new (
  config: DriverQueryConfig,
  values: undefined,
  callback: Callback,
) => DriverQuery;

/**
 * A statement in its own transaction with the settings above. Everything is sent together and has one response. After the
 * first error the server skips the rest, so a statement does not run if its settings failed.
 */
class PinnedQuery extends DriverQuery {
  readonly #settings: Commands;
  #completed = 0;
  isCommitted = false;

  constructor(settings: Commands, config: Omit<DriverQueryConfig, "queryMode">, callback: Callback) {
    super({ ...config, queryMode: "extended" }, undefined, callback);
    this.#settings = settings;
  }

  override submit(connection: Connection): Error | null {
    const { stream } = connection;
    stream.cork();
    try {
      if (stream.writable) stream.write(this.#settings.messages);
      return super.submit(connection);
    } finally {
      stream.uncork();
    }
  }

  /** The driver's last step: executes the statement. */
  override _getRows(connection: Connection): void {
    connection.execute(null, true);
    if (connection.stream.writable) connection.stream.write(commit.messages);
    connection.sync();
  }

  override handleCommandComplete(message: { readonly text: string }, connection: Connection): void {
    if (this.#completed === this.#settings.count) super.handleCommandComplete(message, connection);
    this.#completed += 1;
    this.isCommitted = message.text === "COMMIT";
  }
}

export interface PinnedStatement {
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly readsOnly: boolean;
}

/**
 * Runs one statement on a connection without other work, and leaves no open transaction.
 * @throws the errors of Postgres and of the driver
 */
export async function queryPinned<Row extends QueryResultRow>(
  client: ClientBase,
  { sql: text, values, readsOnly }: PinnedStatement,
): Promise<Row[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Row[]>();
  const query = new PinnedQuery(readsOnly ? forReading : forWriting, { text, values }, (error, result) => {
    if (error) reject(error);
    else if (!query.isCommitted) reject(new Error("the database did not confirm the commit"));
    else resolve(result.rows as Row[]);
  });
  client.query(query as unknown as Query);
  try {
    return await promise;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/**
 * Begins a transaction that changes the schema. Only a lost connection ends its waits.
 */
export async function beginMigration(client: ClientBase): Promise<void> {
  await client.query(`${begin}; ${path}`);
  await client.query(
    `select pg_catalog.set_config(name, '0', true) from pg_catalog.pg_settings
     where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`,
  );
}
