import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { poll } from "../../../../test/support/poll.ts";
import { createJwksSource, type JwksSource, type JwksSourceDeps } from "./jwks.ts";

const unavailable = expect.objectContaining({ name: "PosternError", code: "ERR_UNAVAILABLE" });
const metadataPath = "/.well-known/oauth-authorization-server";

let server: Server;
let url: string;
/** Paths of the requests, in their order. */
let asked: string[];
let answer: RequestListener;
let nowMs: number;
let handling: Promise<unknown>[];

beforeEach(async () => {
  asked = [];
  handling = [];
  nowMs = 0;
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    handling.push(once(response, "close"));
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

const material = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
const jwksOf = (...kids: string[]) =>
  JSON.stringify({ keys: kids.map((kid) => ({ kid, alg: "EdDSA", ...material })) });

function serve(text: string, headers: Readonly<Record<string, string>> = {}): RequestListener {
  return (_, response) => response.writeHead(200, headers).end(text);
}
function source(more: Partial<JwksSourceDeps> = {}): JwksSource {
  return createJwksSource({ issuer: url, jwksUri: `${url}/keys`, fetch, elapsedMs: () => nowMs, ...more });
}
const kids = ({ keys }: JwksSource) => [...(keys?.keys() ?? [])];

describe("the set is fetched", () => {
  beforeEach(() => {
    answer = serve(jwksOf("one"));
  });

  test("at the first use, once for all callers", async () => {
    const jwks = source();
    expect([jwks.keys, asked]).toEqual([undefined, []]);
    const found = await Promise.all(Array.from({ length: 50 }, () => jwks.find("one")));
    expect(new Set(found).size).toBe(1);
    expect(found[0]?.kid).toBe("one");
    expect(asked).toEqual(["/keys"]);
  });

  test("for a key that it lacks, at most every 10 s", async () => {
    const jwks = source();
    expect(await jwks.find("two")).toBeUndefined();
    answer = serve(jwksOf("one", "two"));
    nowMs = 9_999;
    for (let round = 0; round < 100; round += 1) expect(await jwks.find("two")).toBeUndefined();
    expect(asked).toHaveLength(1);
    nowMs = 10_000;
    const found = await Promise.all(Array.from({ length: 50 }, () => jwks.find("two")));
    expect(found.every((key) => key?.kid === "two")).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test.each([
    ["max-age=60", 60_000],
    ["public, max-age=60, must-revalidate", 60_000],
    ["max-age=0", 10_000],
    ["max-age=99999999", 3_600_000],
    ["no-store", 300_000],
    ["s-maxage=60", 300_000],
    ["", 300_000],
  ])("again when it is too old: %s", async (header, ageMs) => {
    answer = serve(jwksOf("one"), { "cache-control": header });
    const jwks = source();
    await jwks.find("one");
    nowMs = ageMs - 1;
    await jwks.find("one");
    expect(asked).toHaveLength(1);
    answer = serve(jwksOf("two"));
    nowMs = ageMs;
    // A29: the one who finds it too old waits, so that the key is gone for him as well.
    expect(await jwks.find("one")).toBeUndefined();
    expect(asked).toHaveLength(2);
  });

  test("and equal keys stay the same objects", async () => {
    const jwks = source();
    const first = await jwks.find("one");
    answer = serve(jwksOf("one", "two"));
    nowMs = 300_000;
    expect(await jwks.find("one")).toBe(first);
    expect(kids(jwks)).toEqual(["one", "two"]);
  });
});

test("A29 a key that is gone from the set is gone here", async () => {
  answer = serve(jwksOf("one", "two"));
  const jwks = source();
  await jwks.find("one");
  answer = serve(jwksOf("two"));
  nowMs = 300_000;
  expect(await jwks.find("one")).toBeUndefined();
  expect(kids(jwks)).toEqual(["two"]);
});

const faults: [string, RequestListener][] = [
  ["500", (_, response) => response.writeHead(500).end(jwksOf("evil"))],
  ["404", (_, response) => response.writeHead(404).end()],
  ["a redirect", (_, response) => response.writeHead(302, { location: "/evil" }).end()],
  ["a redirect that keeps its method", (_, response) => response.writeHead(307, { location: "/evil" }).end()],
  ["HTML", serve("<!doctype html>")],
  ["nothing", serve("")],
  ["an empty set", serve('{"keys":[]}')],
  [
    "text that is not UTF-8",
    (_, response) => void response.end(Buffer.from(`{"name":"\u00f6",${jwksOf("evil").slice(1)}`, "latin1")),
  ],
  ["two keys of one name", serve(jwksOf("evil", "evil"))],
  ["more than 64 KiB", serve(jwksOf("evil").padEnd(65_537))],
  [
    "more than 64 KiB, in pieces that do not end",
    (_, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(" ".repeat(16_384))) {}
      };
      response.on("drain", more);
      more();
    },
  ],
  [
    "an answer cut short",
    (_, response) =>
      void response.writeHead(200, { "content-length": 1_000 }).write("{", () => response.destroy()),
  ],
  ["no answer", (request) => void request.destroy()],
];

describe("A28 a set that cannot be fetched", () => {
  beforeEach(() => {
    answer = (request, response) =>
      request.url === "/evil"
        ? serve(jwksOf("evil"))(request, response)
        : serve(jwksOf("one"))(request, response);
  });

  test.each(faults)("leaves the last valid one in use: %s", async (_, fault) => {
    const jwks = source();
    const key = await jwks.find("one");
    answer = fault;
    nowMs = 300_000;
    expect(await jwks.find("one")).toBe(key);
    // Of another one nothing can be said.
    await expect(jwks.find("evil")).rejects.toEqual(unavailable);
    expect(kids(jwks)).toEqual(["one"]);
    // Nothing goes on behind our back.
    await Promise.all(handling);
    expect(asked).toEqual(["/keys", "/keys"]);
  });

  test.each(faults)("does not decide about a token, if there was no set before: %s", async (_, fault) => {
    answer = fault;
    const jwks = source();
    await expect(jwks.find("one")).rejects.toEqual(unavailable);
    await expect(jwks.find("one")).rejects.toMatchObject({ cause: expect.any(Error) });
    expect(asked).toEqual(["/keys"]);
    answer = serve(jwksOf("one"));
    nowMs = 1_000;
    expect((await jwks.find("one"))?.kid).toBe("one");
  });

  test("is not read to its end, if it is too long", async () => {
    const endless = faults.find(([name]) => name.includes("do not end"))?.[1] as RequestListener;
    answer = endless;
    await expect(source().find("one")).rejects.toMatchObject({
      cause: { message: expect.stringContaining("more than 65536 bytes") },
    });
  });

  test("is requested every 10 s, and only the first call waits", async () => {
    const jwks = source();
    await jwks.find("one");
    answer = faults[0]?.[1] as RequestListener;
    nowMs = 300_000;
    await jwks.find("one");
    expect(asked).toHaveLength(2);
    nowMs = 309_999;
    await jwks.find("one");
    expect(asked).toHaveLength(2);
    // This one is never answered.
    answer = () => {};
    nowMs = 310_000;
    expect((await jwks.find("one"))?.kid).toBe("one");
    await poll("it was requested", 10_000, async () => (asked.length === 3 ? true : undefined));
    nowMs = 400_000;
    expect((await jwks.find("one"))?.kid).toBe("one");
    expect(asked).toHaveLength(3);
  });

  test("is aborted when its text takes longer than 5 s", async () => {
    answer = (_, response) => {
      response.writeHead(200).write('{"keys":[');
    };
    const jwks = source();
    await expect(jwks.find("one")).rejects.toMatchObject({
      code: "ERR_UNAVAILABLE",
      cause: { name: "TimeoutError" },
    });
    // The connection goes with it.
    await Promise.all(handling);
  });

  test("because the server is down", async () => {
    const jwks = source({ jwksUri: "http://127.0.0.1:1/keys" });
    await expect(jwks.find("one")).rejects.toEqual(unavailable);
  });
});

describe("discovery", () => {
  let metadata: unknown;
  beforeEach(() => {
    metadata = { issuer: url, jwks_uri: `${url}/found` };
    answer = (request, response) =>
      request.url?.startsWith("/.well-known/")
        ? serve(JSON.stringify(metadata))(request, response)
        : serve(jwksOf("one"))(request, response);
  });
  const discovering = (issuer = url) => source({ issuer, jwksUri: undefined });

  test("gets the URL of the keys from the issuer, once", async () => {
    const jwks = discovering();
    expect((await jwks.find("one"))?.kid).toBe("one");
    nowMs = 300_000;
    await jwks.find("one");
    expect(asked).toEqual([metadataPath, "/found", "/found"]);
  });

  test.each([
    ["/", metadataPath],
    ["/tenant", `${metadataPath}/tenant`],
    ["/tenant/", `${metadataPath}/tenant`],
    ["/a/b", `${metadataPath}/a/b`],
  ])("puts the issuer's path after the well-known path: %s", async (path, expected) => {
    metadata = { issuer: url + path, jwks_uri: `${url}/found` };
    expect((await discovering(url + path).find("one"))?.kid).toBe("one");
    expect(asked).toEqual([expected, "/found"]);
  });

  test.each<[string, (issuer: string) => unknown]>([
    ["another issuer", () => ({ issuer: "https://evil.example", jwks_uri: `${url}/found` })],
    ["the issuer with a slash", () => ({ issuer: `${url}/`, jwks_uri: `${url}/found` })],
    ["no issuer", () => ({ jwks_uri: `${url}/found` })],
    ["no jwks_uri", (issuer) => ({ issuer })],
    ["a jwks_uri that is none", (issuer) => ({ issuer, jwks_uri: "/found" })],
    ["a jwks_uri of another type", (issuer) => ({ issuer, jwks_uri: [`${url}/found`] })],
    ["null", () => null],
    ["a list", () => []],
  ])("B05 ignores metadata with %s", async (_, makeMetadata) => {
    metadata = makeMetadata(url);
    await expect(discovering().find("one")).rejects.toEqual(unavailable);
    expect(asked).toEqual([metadataPath]);
  });

  test("does not follow an issuer with TLS to a URL without", async () => {
    const issuer = "https://auth.example.com";
    const urls: unknown[] = [];
    const fetched: typeof fetch = async (input) => {
      urls.push(input);
      return Response.json({ issuer, jwks_uri: "http://auth.example.com/keys" });
    };
    const jwks = source({ issuer, jwksUri: undefined, fetch: fetched });
    await expect(jwks.find("one")).rejects.toEqual(unavailable);
    expect(urls).toEqual([`${issuer}${metadataPath}`]);
  });

  test("does not follow a redirect", async () => {
    answer = (_, response) => response.writeHead(302, { location: "/found" }).end();
    await expect(discovering().find("one")).rejects.toEqual(unavailable);
    expect(asked).toEqual([metadataPath]);
  });

  test("runs again if the keys can no longer be fetched", async () => {
    const jwks = discovering();
    await jwks.find("one");
    metadata = { issuer: url, jwks_uri: `${url}/moved` };
    const before = answer;
    answer = (request, response) =>
      request.url === "/found" ? response.writeHead(410).end() : before(request, response);
    nowMs = 300_000;
    await jwks.find("one");
    nowMs = 310_000;
    await jwks.find("one");
    await poll("the new place", 10_000, async () => (asked.at(-1) === "/moved" ? true : undefined));
    expect(asked).toEqual([metadataPath, "/found", "/found", metadataPath, "/moved"]);
  });
});
