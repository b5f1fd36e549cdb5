import fastify from "fastify";
import { expect, test } from "vitest";
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
    ...sides,
    url,
    handled,
    send,
    get: (path: string, token?: string) => send("GET", path, token),
    async [Symbol.asyncDispose]() {
      await app.close();
      await sides[Symbol.asyncDispose]();
    },
  };
}

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
