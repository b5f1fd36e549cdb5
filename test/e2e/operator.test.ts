import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import { decodeProtectedHeader } from "jose";
import { expect, test } from "vitest";
import { poll } from "../support/poll.ts";
import { makeFolder } from "../support/servers/embedded-fixture.ts";
import { type Ended, runPostern } from "../support/servers/postern-command.ts";
import { embeddedEnvironment } from "./make-run.ts";
import { type EmbeddedServer, serveEmbedded } from "./serve-embedded.ts";

const copy = promisify(execFile);

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** What of an answer this story looks at. */
interface Answer {
  readonly refused?: string;
  readonly active?: boolean;
  readonly tokens?: Tokens;
  readonly loggedIn?: { readonly tokens: Tokens; readonly session: { readonly id: string } };
  readonly code?: string;
}

/**
 * A call as `curl` makes it: the body of the answer, or the code of its refusal. It is made again where the server has
 * not decided, as happens on a machine with too much to do; what one that was not decided did stays.
 */
async function call(server: EmbeddedServer, method: string, request: object): Promise<Answer> {
  return poll("an answer that is a verdict", 30_000, async () => {
    const answer = await callOnce(server, method, request);
    return answer.refused === "unavailable" ? undefined : answer;
  });
}

async function callOnce(server: EmbeddedServer, method: string, request: object): Promise<Answer> {
  const response = await fetch(`${server.said("http")}/postern.auth.v1.AuthService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${server.said("token")}` },
    body: JSON.stringify(request),
  });
  const body = (await response.json()) as Answer;
  return response.ok ? body : { refused: body.code ?? "" };
}

async function logIn(server: EmbeddedServer, identifier: string, password: string, device: string) {
  const { loggedIn } = await call(server, "Login", { identifier, password, device });
  if (loggedIn === undefined) expect.unreachable();
  return { ...loggedIn.tokens, sessionId: loggedIn.session.id };
}

async function isActive(server: EmbeddedServer, token: string): Promise<boolean> {
  return (await call(server, "Introspect", { token })).active === true;
}

test("an operator's days, by the binary alone: install, people, an intruder, keys, a restore", {
  timeout: 180_000,
}, async () => {
  await using folder = await makeFolder();
  const { dataDir } = folder;
  const run = (...args: string[]): Promise<Ended> =>
    runPostern([...args, "--embedded"], embeddedEnvironment(dataDir));
  const answer = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args, "--json");
    expect({ args, code, stderr }).toMatchObject({ code: 0 });
    return JSON.parse(stdout);
  };

  // Installed: one command, and an administrator is there.
  let server = await serveEmbedded(dataDir);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => server[Symbol.asyncDispose]());
  expect((await answer("user", "list")).users).toHaveLength(1);

  // People.
  const ann = await answer("user", "create", "--email", "ann@example.com", "--username", "ann");
  const bob = await answer("user", "create", "--email", "bob@example.com", "--role", "support");
  expect([ann.username, bob.roles]).toEqual(["ann", ["support"]]);
  const hers = await logIn(server, "ann", ann.password, "Ann's laptop");
  const his = await logIn(server, "bob@example.com", bob.password, "Bob's phone");

  // Somebody has Ann's password, and tries it on Bob.
  const stolen = await logIn(server, "ann@example.com", ann.password, "burner");
  expect(
    await call(server, "Login", { identifier: "bob@example.com", password: ann.password }),
  ).toHaveProperty("refused", "unauthenticated");

  // Ann calls. Which session is not hers?
  const { sessions } = await answer("session", "list", "--user", "ann");
  const devices = (sessions as { device: string }[]).map(({ device }) => device);
  expect(new Set(devices)).toEqual(new Set(["burner", "Ann's laptop"]));
  const table = (await run("session", "list", "--user", "ann")).stdout;
  expect(table).toContain("burner");
  const { sessionId: intruder } = stolen;
  expect(sessions).toContainEqual(expect.objectContaining({ id: intruder, device: "burner" }));

  // It ends, and hers goes on.
  expect((await run("session", "end", intruder)).code).toBe(0);
  expect(await isActive(server, stolen.accessToken)).toBe(false);
  expect(await call(server, "Refresh", { refreshToken: stolen.refreshToken })).toHaveProperty(
    "refused",
    "unauthenticated",
  );
  expect(await isActive(server, hers.accessToken)).toBe(true);

  // Why did it end, and what else was tried?
  const story = await answer("session", "get", intruder);
  expect(story).toMatchObject({ state: "ended", device: "burner", endedBy: { caller: "cli" } });
  expect(story.events.map(({ event }: { event: string }) => event)).toEqual(
    expect.arrayContaining(["login", "session_revoked"]),
  );
  const { events: refused } = await answer("audit", "--event", "login_refused", "--since", "1h");
  expect(refused.length).toBeGreaterThan(0);
  for (const one of refused) {
    expect(one).toMatchObject({ userId: bob.id, detail: { reason: "wrong_password" } });
  }
  const changed = await run("user", "set-password", "ann");
  expect(changed.code).toBe(0);
  expect(await isActive(server, hers.accessToken)).toBe(false);

  // Keys turn: the new one signs, the old one's tokens hold.
  const young = await run("key", "rotate", "--purpose", "signing");
  expect([young.code, young.stderr]).toEqual([1, expect.stringContaining("POSTERN_KEY_PUBLISH_LEAD")]);
  const key = await answer("key", "rotate", "--purpose", "signing", "--now");
  const renewed =
    (await call(server, "Refresh", { refreshToken: his.refreshToken })).tokens ?? expect.unreachable();
  expect(decodeProtectedHeader(renewed.accessToken).kid).toBe(key.id);
  expect(await isActive(server, his.accessToken)).toBe(true);
  const keySet = await (await fetch(`${server.said("http")}/.well-known/jwks.json`)).json();
  const kids = (keySet as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  expect(kids).toEqual(
    expect.arrayContaining([his, renewed].map(({ accessToken }) => decodeProtectedHeader(accessToken).kid)),
  );

  // A backup; then a day goes on; then the disk dies, and the backup is put back.
  expect(await server.stop()).toBe(0);
  await copy("cp", ["-a", dataDir, `${dataDir}.backup`]);
  server = await serveEmbedded(dataDir);
  const lost = await logIn(server, "bob@example.com", bob.password, "Bob's desk");
  expect((await answer("user", "disable", "bob@example.com")).disabled).toBe(true);
  expect(await isActive(server, lost.accessToken)).toBe(false);
  expect(await server.stop()).toBe(0);
  await rm(dataDir, { recursive: true });
  await copy("cp", ["-a", `${dataDir}.backup`, dataDir]);
  server = await serveEmbedded(dataDir);

  const recovered = await run("recover", "--json");
  expect([recovered.code, recovered.stderr]).toEqual([0, expect.stringContaining("postern key list")]);
  for (const { accessToken, refreshToken } of [lost, renewed, hers]) {
    expect(await isActive(server, accessToken)).toBe(false);
    expect(await call(server, "Refresh", { refreshToken })).toHaveProperty("refused", "unauthenticated");
  }
  const again = await logIn(server, "bob@example.com", bob.password, "Bob's phone");
  expect(await isActive(server, again.accessToken)).toBe(true);
  const { events } = await answer("audit", "--event", "recovered");
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ caller: "cli" });
  expect(await server.stop()).toBe(0);
});
