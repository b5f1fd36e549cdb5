import {
  type ClientBase,
  type Connection,
  type CustomTypesConfig,
  Query,
  type QueryResultRow,
  types,
} from "pg";

/**
 * What every transaction begins with. A role, a database or a session can have defaults of its own, and a pooler that
 * works by transaction keeps nothing that a session sets, so each transaction sets what the code relies on:
 *
 * - isolation level: functions look again after they have waited for a lock. Others would fail with 40001.
 * - `search_path`: objects that another role has made must never be taken for those of Postgres.
 * - `datestyle`: the driver reads ISO alone.
 * - `synchronous_commit`: what has been acknowledged survives a crash, and the loss of the primary where
 *   `synchronous_standby_names` names a standby.
 *
 * Not set, because nothing relies on them: `timezone` (times are read with their offset, spans are kept in
 * milliseconds), `intervalstyle`, `bytea_output`, `extra_float_digits`, `standard_conforming_strings` (no SQL has a
 * backslash), `array_nulls`. Not set, because they are the operator's: `default_transaction_read_only`,
 * `statement_timeout`, `lock_timeout` and the timeouts of idle sessions. What these end is answered `UNAVAILABLE`;
 * Postgres stops its clock before a commit, so none ends the wait for a standby.
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

/** Parsers of the types that Postgres answers with: 64-bit numbers, none of which reaches 2^53, are numbers. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

/** The parts of pg's `Query` that its types leave out. */
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
 * A statement in a transaction of its own with the settings above. All of it is sent at once and has one answer. After
 * the first error the server skips the rest, so a statement whose settings failed does not run.
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
 * Runs one statement on a connection that has nothing else under way, and leaves no transaction behind.
 * @throws what Postgres and the driver throw
 */
export async function queryPinned<Row extends QueryResultRow>(
  client: ClientBase,
  { sql: text, values, readsOnly }: PinnedStatement,
): Promise<Row[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Row[]>();
  const query = new PinnedQuery(readsOnly ? forReading : forWriting, { text, values }, (error, result) => {
    if (error) reject(error);
    else if (!query.isCommitted) reject(new Error("the database did not say that it has committed"));
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
 * Begins the transaction of a change of the schema. Nothing but a lost connection ends its waits.
 */
export async function beginMigration(client: ClientBase): Promise<void> {
  await client.query(`${begin}; ${path}`);
  await client.query(
    `select pg_catalog.set_config(name, '0', true) from pg_catalog.pg_settings
     where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`,
  );
}
