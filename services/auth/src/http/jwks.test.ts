import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PublicJwk } from "../domain/ports/key-store.ts";
import { serveEndpoints } from "./endpoint.fixture.ts";
import { jwksEndpoint } from "./jwks.ts";

const key = (kid: string): PublicJwk => ({ kid, alg: "ES256", use: "sig", kty: "EC" });
const ring = { publicKeys: [key("a"), key("b")] };
const { handler } = serveEndpoints([jwksEndpoint("https://auth.example.com", ring)]);
const server = createServer(handler);
let url = "";

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
});
afterAll(() => void server.close());

test("the answer has the keys, how long they may be cached, and a tag that changes with them", async () => {
  const response = await fetch(url);
  expect(response.headers.get("content-type")).toBe("application/jwk-set+json");
  expect(response.headers.get("cache-control")).toBe("public, max-age=300");
  expect(await response.json()).toEqual({ keys: ring.publicKeys });
  const before = response.headers.get("etag");
  ring.publicKeys = [key("b"), key("c")];
  expect((await fetch(url)).headers.get("etag")).not.toBe(before);
});

test("HEAD has the same headers and no body", async () => {
  const [head, get] = await Promise.all([fetch(url, { method: "HEAD" }), fetch(url)]);
  for (const name of ["etag", "content-length", "cache-control"]) {
    expect(head.headers.get(name)).toBe(get.headers.get(name));
  }
  expect(await head.text()).toBe("");
});

describe("a client that has the keys already", () => {
  const ask = (tag: string) => fetch(url, { headers: { "if-none-match": tag } });

  test.each(["ETAG", "W/ETAG", '"other", ETAG', "*"])("gets 304 with If-None-Match: %s", async (template) => {
    const etag = (await fetch(url)).headers.get("etag") ?? "";
    const response = await ask(template.replace("ETAG", etag));
    expect(response.status).toBe(304);
    expect(response.headers.get("etag")).toBe(etag);
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
  });

  test("gets the keys with another tag", async () => {
    expect((await ask('"other"')).status).toBe(200);
  });
});
