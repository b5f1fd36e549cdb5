import fastify from "fastify";
import { expect, test } from "vitest";
import { ask } from "../guard/listening.fixture.ts";
import { twoSides } from "../guard/two-sides.fixture.ts";
import { callerOf, optionalAuth, requireAuth, requireScope } from "./index.ts";

async function setUp() {
  const sides = await twoSides();
  const handled: string[] = [];
  const app = fastify();
  app.get("/health", async () => ({ ok: true }));
  app.register(async (open) => {
    await open.register(optionalAuth(sides.verifier));
    open.get("/open", async ({ caller }) => ({ subject: caller?.subject ?? null }));
  });
  app.register(async (broken) => {
    await broken.register(requireAuth({ verify: () => Promise.reject(new Error("a fault")) }));
    broken.get("/broken", async () => ({}));
  });
  app.get("/unguarded", { onRequest: requireScope("orders.read") }, async () => ({}));
  app.register(async (orders) => {
    orders.get("/before", async () => ({}));
    await orders.register(requireAuth(sides.verifier));
    orders.post("/orders", async (request) => {
      handled.push(request.url);
      return { subject: callerOf(request).subject };
    });
    orders.get("/all", { onRequest: requireScope("orders.read", "orders.all") }, async () => ({}));
    orders.register(async (below) => void below.get("/below", async () => ({})));
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const send = (method: "GET" | "POST", path: string, token?: string, body = "{}") =>
    fetch(url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(method === "POST" ? { "content-type": "application/json" } : {}),
      },
      ...(method === "POST" ? { body } : {}),
    });
  return {
    ...{ ...sides, url, handled, send, get: (path: string, token?: string) => send("GET", path, token) },
    async [Symbol.asyncDispose]() {
      await app.close();
      await sides[Symbol.asyncDispose]();
    },
  };
}

test("a good token is let in, and its caller is known", async () => {
  await using site = await setUp();
  const subject = site.issuer.newId("usr");
  const answer = await site.send("POST", "/orders", await site.issuer.token({ subject }));
  expect([answer.status, await answer.json()]).toEqual([200, { subject }]);
  expect((await site.get("/health")).status).toBe(200);
});

test("every route of the guarded instance is, those before the guard and below it included", async () => {
  await using site = await setUp();
  for (const path of ["/before", "/all", "/below"]) expect((await site.get(path)).status).toBe(401);
});

test("a child plugin of the guarded instance is guarded, also if it was registered before the guard", async () => {
  await using sides = await twoSides();
  const app = fastify();
  app.register(async (below) => {
    below.register(async (deeper) => void deeper.get("/before", async () => ({})));
  });
  app.register(requireAuth(sides.verifier));
  app.register(async (below) => void below.get("/after", async () => ({})));
  for (const path of ["/before", "/after"]) expect((await app.inject(path)).statusCode).toBe(401);
});

test("a guard does not apply to a sibling instance, and `callerOf` throws there", async () => {
  await using sides = await twoSides();
  const app = fastify();
  app.register(async (guarded) => void guarded.register(requireAuth(sides.verifier)));
  app.register(async (sibling) => {
    sibling.get("/open", async () => ({}));
    sibling.get("/caller", async (request) => callerOf(request));
  });
  const headers = { authorization: `Bearer ${await sides.issuer.token()}` };
  expect((await app.inject({ url: "/open", headers })).statusCode).toBe(200);
  const answer = await app.inject({ url: "/caller", headers });
  expect([answer.statusCode, answer.json().code]).toEqual([500, "ERR_CREDENTIAL_MISSING"]);
});

test("no token, and a token in query or form, are refused before the body is read", async () => {
  await using site = await setUp();
  const token = await site.issuer.token();
  for (const path of ["/orders", `/orders?access_token=${token}`]) {
    const answer = await site.send("POST", path, undefined, "{ no JSON");
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="postern"');
    expect(await answer.json()).toMatchObject({ code: "ERR_CREDENTIAL_MISSING" });
  }
  expect(site.handled).toEqual([]);
});

test("a revoked token is refused, and nothing of it is told", async () => {
  await using site = await setUp();
  const token = await site.issuer.token();
  site.issuer.revoke({ token });
  await site.issuer.synced(site.verifier);
  const answer = await site.send("POST", "/orders", token);
  expect(answer.status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  const text = await answer.text();
  expect(JSON.parse(text)).toMatchObject({ code: "ERR_TOKEN_REVOKED" });
  for (const part of token.split(".")) expect(text).not.toContain(part);
});

test("two credentials are refused, whichever comes first", async () => {
  await using site = await setUp();
  const good = `authorization: Bearer ${await site.issuer.token()}`;
  expect(await ask(site.url, "/below", { lines: [good] })).toMatch(/^HTTP\/1.1 200 /);
  for (const lines of [
    [good, good],
    [good, "Authorization: Bearer x"],
    ["authorization: Basic x", good],
  ]) {
    expect(await ask(site.url, "/below", { lines })).toMatch(/^HTTP\/1.1 401 /);
    expect(await ask(site.url, "/open", { lines })).toMatch(/^HTTP\/1.1 401 /);
  }
});

test("where auth is optional, nobody is let in as nobody, and a bad token not at all", async () => {
  await using site = await setUp();
  const subject = site.issuer.newId("usr");
  expect(await (await site.get("/open")).json()).toEqual({ subject: null });
  expect(await (await site.get("/open", await site.issuer.token({ subject }))).json()).toEqual({ subject });
  expect((await site.get("/open", await site.issuer.token({ expiresIn: -60 }))).status).toBe(401);
});

test("a scope is demanded behind the guard, and without a guard of all", async () => {
  await using site = await setUp();
  const narrow = await site.issuer.token({ scope: "orders.read" });
  const refused = await site.get("/all", narrow);
  expect(refused.status).toBe(403);
  expect(refused.headers.get("www-authenticate")).toBe(
    'Bearer error="insufficient_scope", scope="orders.read orders.all"',
  );
  const wide = await site.issuer.token({ scope: ["orders.all", "orders.read"] });
  expect((await site.get("/all", wide)).status).toBe(200);
  expect((await site.get("/unguarded", wide)).status).toBe(401);
});

test("a fault of the verifier lets nobody in", async () => {
  await using site = await setUp();
  expect((await site.get("/broken", await site.issuer.token())).status).toBe(500);
});
