import { Client } from "pg";
import { AuthError } from "../../domain/errors.ts";
import { socketOf } from "./database.ts";

/** Maximum time to wait for a connection. */
const connectMs = 5_000;

export interface Connection {
  readonly url: string;
  readonly name: string;
  /** Ends the wait for a database that does not answer. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs `work` on a separate connection.
 * @throws {AuthError} `UNAVAILABLE` if the connection is lost; the errors of the driver and of Postgres
 */
export async function withConnection<T>(
  { url, name, signal }: Connection,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = new Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
  });
  client.on("error", () => {});
  const cut = () => void socketOf(client).destroy();
  signal?.addEventListener("abort", cut, { once: true });
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    // The driver reports a lost connection by a plain error without a code.
    const isLost = error instanceof Error && error.name === "Error" && !("code" in error);
    throw isLost ? new AuthError("UNAVAILABLE", { cause: error }) : error;
  } finally {
    await client.end();
    signal?.removeEventListener("abort", cut);
  }
}
