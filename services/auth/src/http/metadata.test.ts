import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveEndpoints } from "./endpoint.fixture.ts";
import { jwksEndpoint } from "./jwks.ts";
import { metadataEndpoint } from "./metadata.ts";

const issuer = "https://auth.example.com/tenant";
const { handler } = serveEndpoints([jwksEndpoint(issuer, { publicKeys: [] }), metadataEndpoint(issuer)]);
const server = createServer(handler);
let origin = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test.each([
  "/.well-known/oauth-authorization-server",
  "/.well-known/oauth-authorization-server/tenant",
  "/.well-known/openid-configuration",
  "/.well-known/openid-configuration/tenant",
  "/tenant/.well-known/oauth-authorization-server",
  "/tenant/.well-known/openid-configuration",
])("%s has the exact issuer, the address of its keys, and only what is served", async (path) => {
  const response = await fetch(`${origin}${path}`);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual({
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: [],
  });
});

test("the keys are at the path in the metadata, and at the root for a proxy that strips the issuer's path", async () => {
  for (const path of ["/tenant/.well-known/jwks.json", "/.well-known/jwks.json"]) {
    const response = await fetch(`${origin}${path}`);
    expect([response.status, await response.json()]).toEqual([200, { keys: [] }]);
    const posted = await fetch(`${origin}${path}`, { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  }
  expect((await fetch(`${origin}/another/.well-known/jwks.json`)).status).toBe(404);
  expect((await fetch(`${origin}/tenant/tenant/.well-known/jwks.json`)).status).toBe(404);
});

test("the metadata is served by GET and HEAD only, and at no other path", async () => {
  const path = "/.well-known/oauth-authorization-server";
  const head = await fetch(`${origin}${path}`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  const posted = await fetch(`${origin}${path}`, { method: "POST" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  for (const other of [`${path}/another`, "/another/.well-known/openid-configuration", `${path}/`]) {
    expect((await fetch(`${origin}${other}`)).status).toBe(404);
  }
});
