// A process that holds an embedded database, for tests to kill. argv: the data folder, `server` or
// `command`. Prints its database's URL on stdout. At SIGINT it shows that the database still answers, and
// disposes of it.
import { once } from "node:events";
import { Client } from "pg";
import { openEmbedded, startEmbedded } from "../../../services/auth/src/embedded/embedded.ts";

const [, , dataDir = "", holder] = process.argv;
const open = holder === "server" ? startEmbedded : openEmbedded;
const embedded = await open({ dataDir, newSecretToken: () => `ptn_st_${"h".repeat(40)}` });
const interrupted = once(process, "SIGINT");
process.stdout.write(`${embedded.databaseUrl}\n`);
await interrupted;
const client = new Client(embedded.databaseUrl);
await client.connect();
const { rows } = await client.query("select 'still there' as answer");
await client.end();
process.stdout.write(`${rows[0].answer}\n`);
await embedded[Symbol.asyncDispose]();
