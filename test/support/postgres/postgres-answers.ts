import { Client } from "pg";
import { poll } from "../poll.ts";

/** Resolves once a session can be opened, or when `over` says that waiting is no use. */
export async function answers(url: string, over: () => boolean = () => false): Promise<void> {
  await poll("Postgres answers", 20_000, async () => {
    if (over()) return true;
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    await client.connect();
    await client.end();
    return true;
  });
}
