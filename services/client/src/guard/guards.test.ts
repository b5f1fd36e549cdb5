import { describe, expect, test } from "vitest";
import { siteKinds } from "./guarded-sites.fixture.ts";

const bearer = (token: string) => `authorization: Bearer ${token}`;

/** The contract of all guards: the same requests get the same answers from each framework. */
describe.each(Object.entries(siteKinds))("%s", (_, open) => {
  test("a valid token is accepted, and the handler gets its caller", async () => {
    await using site = await open();
    const subject = site.issuer.newId("usr");
    const { status } = await site.call("required", [bearer(await site.issuer.token({ subject }))]);
    expect([status, site.handled]).toEqual([200, [subject]]);
  });

  test("a request without a token, or with a token in the query, gets a challenge without an error", async () => {
    await using site = await open();
    const token = await site.issuer.token();
    for (const query of ["", `?access_token=${token}`]) {
      const { status, challenge, text } = await site.call("required", [], query);
      expect([status, challenge]).toEqual([401, 'Bearer realm="postern"']);
      expect(text).not.toContain(token);
    }
    expect(site.handled).toEqual([]);
  });

  test("a revoked token is refused, and the answer contains nothing of it", async () => {
    await using site = await open();
    const token = await site.issuer.token();
    site.issuer.revoke({ token });
    await site.issuer.synced(site.verifier);
    const { status, challenge, text } = await site.call("required", [bearer(token)]);
    expect([status, challenge]).toEqual([401, 'Bearer error="invalid_token"']);
    for (const part of token.split(".")) expect(text).not.toContain(part);
    expect(site.handled).toEqual([]);
  });

  test("a malformed credential and another scheme are refused, also if authentication is optional", async () => {
    await using site = await open();
    for (const credential of ["Bearer a b", "Bearer ", "Basic YTpi"]) {
      for (const route of ["required", "optional"] as const) {
        expect((await site.call(route, [`authorization: ${credential}`])).status).toBe(401);
      }
    }
    expect(site.handled).toEqual([]);
  });

  test("with optional authentication, a request without a token has no caller, and an expired token is refused", async () => {
    await using site = await open();
    const subject = site.issuer.newId("usr");
    expect((await site.call("optional", [])).status).toBe(200);
    expect((await site.call("optional", [bearer(await site.issuer.token({ subject }))])).status).toBe(200);
    const expired = await site.issuer.token({ expiresIn: -60 });
    expect((await site.call("optional", [bearer(expired)])).status).toBe(401);
    expect(site.handled).toEqual([undefined, subject]);
  });

  test("a token without one of the required scopes is refused with 403, naming them", async () => {
    await using site = await open();
    const narrow = await site.call("scoped", [bearer(await site.issuer.token({ scope: "orders.read" }))]);
    const challenge = 'Bearer error="insufficient_scope", scope="orders.read orders.all"';
    expect([narrow.status, narrow.challenge]).toEqual([403, challenge]);
    const wide = await site.issuer.token({ scope: ["orders.all", "orders.read"] });
    expect((await site.call("scoped", [bearer(wide)])).status).toBe(200);
    expect(site.handled).toHaveLength(1);
  });

  test("a scope that is required without authentication before it refuses every request", async () => {
    await using site = await open();
    const token = await site.issuer.token({ scope: "orders.read" });
    expect((await site.call("scopeOnly", [bearer(token)])).status).toBe(401);
    expect(site.handled).toEqual([]);
  });

  test("a fault of the verifier is 500, accepts no request, and its text is not shown", async () => {
    await using site = await open();
    const { status, text } = await site.call("broken", [bearer(await site.issuer.token())]);
    expect(status).toBe(500);
    expect(site.handled).toEqual([]);
    expect(text).not.toContain("stack");
  });
});

test.each(["express", "fastify"] as const)("%s: two credentials are refused, in any order", async (kind) => {
  await using site = await siteKinds[kind]();
  const good = bearer(await site.issuer.token());
  for (const lines of [
    [good, good],
    [good, "Authorization: Bearer x"],
    ["authorization: Basic x", good],
  ]) {
    for (const route of ["required", "optional"] as const) {
      expect((await site.call(route, lines)).status).toBe(401);
    }
  }
  expect(site.handled).toEqual([]);
});
