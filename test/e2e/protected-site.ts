import { createClients } from "../support/clients/clients.ts";
import { createUser, login } from "../support/people/people.ts";
import { freePort } from "../support/ports.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { startServer, TOKENS } from "../support/servers/server-process.ts";

/** A server that is its own issuer, as with `make run`, and people who may log in. */
export async function startSite(env: Readonly<Record<string, string>> = {}) {
  const database = await createDatabase();
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const server = await startServer({
    databaseUrl: database.url,
    env: {
      POSTERN_HTTP_ADDR: `127.0.0.1:${port}`,
      POSTERN_ISSUER: issuer,
      POSTERN_AUDIENCE: "postern-demo",
      ...env,
    },
  });
  const clients = createClients({ baseUrl: server.http, credential: TOKENS.admin });
  return {
    issuer,
    server,
    port,
    auth: clients.auth,
    admin: clients.admin,
    /** The tokens of a new login. */
    async tokens(scope: string[] = []) {
      const { email, id } = await createUser(clients.admin);
      return { ...(await login(clients.auth, email, { scope })), userId: id };
    },
    async [Symbol.asyncDispose]() {
      clients[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
