import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { answered } from "../support/clients/answers.ts";
import { type Clients, createClients } from "../support/clients/clients.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { callPostern } from "../support/servers/call-postern.ts";
import type { Ended } from "../support/servers/postern-command.ts";
import { AUDIENCE, ISSUER, startServer, TOKENS } from "../support/servers/server-process.ts";

const patient = { timeoutMs: 20_000 };

export interface Account {
  /** An email address or a username. */
  readonly email: string;
  readonly password: string;
}

/** A server, and the commands on its database. Calls are made again until there is a verdict. */
export type CliSite = Awaited<ReturnType<typeof openCliSite>>;

export async function openCliSite() {
  await using owned = new AsyncDisposableStack();
  const database = owned.use(await createDatabase());
  const masterKey = randomBytes(32).toString("base64");
  const env = { POSTERN_MASTER_KEY: masterKey };
  const server = owned.use(await startServer({ databaseUrl: database.url, env }));
  const open = (credential: string) => owned.use(createClients({ baseUrl: server.http, credential }));
  const [web, other] = [open(TOKENS.web), open(TOKENS.other)];
  const environment = {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_MASTER_KEY: masterKey,
    POSTERN_ISSUER: ISSUER,
    POSTERN_AUDIENCE: AUDIENCE,
  };
  const run = (args: readonly string[], options: { stdin?: string } = {}): Promise<Ended> =>
    callPostern(args, environment, options);
  const all = owned.move();
  return {
    database,
    masterKey,
    environment,
    web,
    other,
    run,
    /** The answer of a command that has to succeed, by `--json`. */
    async answer(args: readonly string[], options: { stdin?: string } = {}) {
      const { code, stdout, stderr } = await run([...args, "--json"], options);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.split("\n")).toHaveLength(2);
      return JSON.parse(stdout);
    },
    /** By `web` by default. An attempt without an answer may have opened another session. */
    async logIn({ email, password }: Account, { auth }: Clients = web, more = {}) {
      const request = { identifier: email, password, ...more };
      const { outcome } = await answered(() => auth.login(request, patient));
      const { accessToken = "", refreshToken = "" } = outcome.value?.tokens ?? {};
      return { accessToken, refreshToken, sessionId: outcome.value?.session?.id ?? "" };
    },
    /** By `web`. */
    refresh: (refreshToken: string) => answered(() => web.auth.refresh({ refreshToken }, patient)),
    /** By `web`. */
    async isActive(token: string): Promise<boolean> {
      return (await answered(() => web.auth.introspect({ token }, patient))).active;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
