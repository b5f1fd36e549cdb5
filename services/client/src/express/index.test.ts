import express from "express";
import { expect, test } from "vitest";
import { PosternError } from "../core/postern-error.ts";
import { listen } from "../guard/listening.fixture.ts";
import { twoSides } from "../guard/two-sides.fixture.ts";
import { callerOf, optionalAuth, requireAuth, requireScope } from "./index.ts";

async function setUp() {
  const sides = await twoSides();
  const handled: string[] = [];
  const app = express();
  app.get("/open", optionalAuth(sides.verifier), (request, response) => {
    response.json({ subject: request.caller?.subject ?? null });
  });
  app.get("/broken", requireAuth({ verify: () => Promise.reject(new Error("a fault")) }));
  app.get("/unguarded", requireScope("orders.read"), (_, response) => void response.json({}));
  app.use("/orders", requireAuth(sides.verifier));
  app.get("/orders", (request, response) => {
    handled.push(request.path);
    response.json({ subject: callerOf(request).subject });
  });
  app.get("/orders/all", requireScope("orders.read", "orders.all"), (_, response) => void response.json({}));
  // Express logs errors that no handler takes.
  app.use(
    ((_error, _request, response, _next) => void response.sendStatus(500)) as express.ErrorRequestHandler,
  );
  const server = await listen(app);
  const get = (path: string, token?: string) =>
    fetch(server.url + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  return {
    ...sides,
    ...server,
    handled,
    get,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await sides[Symbol.asyncDispose]();
    },
  };
}

test("a route before the guard has no authentication, and `callerOf` throws there", async () => {
  await using sides = await twoSides();
  const errors: unknown[] = [];
  const app = express();
  app.get("/open", (_, response) => void response.json({}));
  app.get("/caller", (request, response) => void response.json(callerOf(request)));
  app.use(requireAuth(sides.verifier));
  app.use(((error, _request, response, _next) => {
    errors.push(error);
    response.sendStatus(500);
  }) as express.ErrorRequestHandler);
  await using server = await listen(app);
  const headers = { authorization: `Bearer ${await sides.issuer.token()}` };
  expect((await fetch(`${server.url}/open`, { headers })).status).toBe(200);
  expect((await fetch(`${server.url}/caller`, { headers })).status).toBe(500);
  expect(errors).toEqual([expect.objectContaining({ code: "ERR_CREDENTIAL_MISSING" })]);
});

test("a member of Object.prototype is never a request's caller and does not prevent setting one", async () => {
  await using site = await setUp();
  const subject = site.issuer.newId("usr");
  const token = await site.issuer.token({ subject });
  Object.defineProperty(Object.prototype, "caller", {
    configurable: true,
    get: () => ({ subject: "usr_forged", scope: ["orders.read"] }),
    set() {},
  });
  try {
    expect(await (await site.get("/orders", token)).json()).toEqual({ subject });
    expect((await site.get("/unguarded", token)).status).toBe(401);
  } finally {
    Reflect.deleteProperty(Object.prototype, "caller");
  }
});

test("an answer that other code has sent in the meantime stays", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const verifier = {
    async verify(): Promise<never> {
      await promise;
      throw new PosternError("ERR_TOKEN_EXPIRED", "expired");
    },
  };
  const guarded = requireAuth(verifier);
  const { promise: refused, resolve: settle } = Promise.withResolvers<unknown>();
  await using site = await listen((request, response) => {
    guarded(request, response, settle);
    response.writeHead(504).end(() => resolve());
  });
  const answer = await fetch(site.url, { headers: { authorization: "Bearer x" } });
  expect(answer.status).toBe(504);
  // No promise is rejected without a handler, and no further middleware runs.
  const nothing = Symbol();
  expect(
    await Promise.race([refused, promise.then(() => new Promise((done) => setImmediate(done, nothing)))]),
  ).toBe(nothing);
});
