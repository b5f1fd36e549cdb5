import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { foldedIdentityNames } from "../../../../test/support/clients/folded-names.ts";
import type { ProxiedRequest, Verdict } from "../domain/access/authorize-request.ts";
import { PosternError } from "../domain/errors.ts";
import { serveForwardAuth } from "./forward-auth.ts";
import { createHttpRoutes } from "./routes.ts";

type Header = readonly [name: string, value: string];

const claims = { sub: "usr_1", sid: "ses_1", client_id: "web", scope: "a b" };
const pass = { kind: "pass", claims: undefined } as const;
const asked: ProxiedRequest[] = [];
const faults: unknown[] = [];
let verdict: () => Verdict = () => pass;
const server = createServer(
  createHttpRoutes({ publicKeys: [] }, "https://auth.example.com", {
    async authorize(proxied) {
      asked.push(proxied);
      return verdict();
    },
    onFault: (error) => faults.push(error),
  }),
);
let port = 0;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => {
  asked.length = 0;
  faults.length = 0;
  verdict = () => pass;
});
afterAll(() => void server.close());

/** Sends the headers as they are listed, repeated ones too. */
async function ask(headers: readonly Header[], method = "GET", body?: string) {
  const sent = request({
    ...{ port, method, path: "/forward-auth?x=1", agent: false },
    headers: [
      ["host", "postern"],
      ...(body === undefined ? [] : [["content-length", `${body.length}`]]),
      ...headers,
    ].flat(),
  });
  sent.end(body);
  const [response] = await once(sent, "response");
  response.resume();
  return { status: response.statusCode as number, headers: response.headers as Record<string, string> };
}

const method: Header = ["x-forwarded-method", "PUT"];
const uri: Header = ["x-forwarded-uri", "/a?b=c"];
const originalMethod: Header = ["X-Original-Method", "PUT"];
const originalUri: Header = ["X-Original-URI", "/a?b=c"];
const forwarded = [method, uri];
const original = [originalMethod, originalUri];
const put = { method: "PUT", target: "/a?b=c", host: "", authorization: [] };

describe("the request that is asked about", () => {
  test.each<[string, readonly Header[], Partial<ProxiedRequest>]>([
    ["as Traefik and Caddy tell it", [...forwarded, ["x-forwarded-host", "h:1"]], { host: "h:1" }],
    ["as nginx tells it", original, {}],
    ["told in both ways alike", [...original, ...forwarded], {}],
    ["with its token", [...original, ["Authorization", "Bearer x"]], { authorization: ["Bearer x"] }],
    [
      "I01: with two tokens, both",
      [...original, ["authorization", "Bearer x"], ["Authorization", "Bearer y"]],
      { authorization: ["Bearer x", "Bearer y"] },
    ],
  ])("%s", async (_, headers, more) => {
    expect((await ask(headers)).status).toBe(200);
    expect(asked).toEqual([{ ...put, ...more }]);
  });

  test.each<[string, readonly Header[]]>([
    ["nothing of it", []],
    ["no path", [method]],
    ["no method", [uri]],
    ["a half of each way", [method, originalUri]],
    ["the other half of each way", [originalMethod, uri]],
    ["one way and a half of the other", [...original, uri]],
    ["two paths", [...original, method, ["x-forwarded-uri", "/public"]]],
    ["two methods", [...forwarded, ["x-original-method", "GET"], originalUri]],
    ["a path twice", [...forwarded, uri]],
    ["a method twice", [...original, originalMethod]],
    ["a host twice", [...forwarded, ["x-forwarded-host", "a"], ["X-Forwarded-Host", "a"]]],
    ["another name for the path", [originalMethod, ["x-original-url", "http://h/a"]]],
  ])("I03: %s is told: 400, and nobody is asked", async (_, headers) => {
    expect((await ask(headers)).status).toBe(400);
    expect(asked).toEqual([]);
  });
});

test.each(foldedIdentityNames)(
  "I10: a request with a header that CGI maps to an identity header is refused with 400: %s",
  async (name) => {
    expect((await ask([...forwarded, [name, "x"]])).status).toBe(400);
    expect(asked).toEqual([]);
  },
);

test("a request with an identity header of the exact name is not refused, because the proxy overwrites it", async () => {
  expect((await ask([...forwarded, ["X-Postern-Roles", "x"], ["x-postern-subject", "y"]])).status).toBe(200);
});

describe("the answer", () => {
  test("to one that passes tells of its owner", async () => {
    verdict = () => ({ kind: "pass", claims: claims as never });
    const { status, headers } = await ask(forwarded);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      ...{ "x-postern-subject": "usr_1", "x-postern-client": "web", "x-postern-session": "ses_1" },
      ...{
        "x-postern-scope": "a b",
        "x-postern-roles": "",
        "cache-control": "no-store",
        "content-length": "0",
      },
    });
  });

  test("to one that passes as nobody's has every header, empty: a proxy that copies them leaves nothing standing", async () => {
    const { status, headers } = await ask(forwarded);
    expect(status).toBe(200);
    const names = ["subject", "client", "session", "scope", "roles"].map((name) => `x-postern-${name}`);
    expect(names.map((name) => headers[name])).toEqual(["", "", "", "", ""]);
  });

  test.each([
    [400, "Bearer a"],
    [401, "Bearer b"],
    [403, undefined],
  ] as const)("to one that may not pass is %d", async (status, challenge) => {
    verdict = () => ({ kind: "refuse", status, challenge });
    const answer = await ask(forwarded);
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([status, challenge]);
    expect(answer.headers).not.toHaveProperty("x-postern-subject");
  });

  test("J04: where it cannot be known is 503, with a time to come again", async () => {
    verdict = () => {
      throw new PosternError("UNAVAILABLE");
    };
    const { status, headers } = await ask(forwarded);
    expect([status, headers["retry-after"], faults]).toEqual([503, "1", []]);
  });

  test("to a fault of ours is 500, and the log is told", async () => {
    const fault = new Error("inside");
    verdict = () => {
      throw fault;
    };
    expect([(await ask(forwarded)).status, faults]).toEqual([500, [fault]]);
  });

  test("to one that would open a WebSocket is the same", async () => {
    const upgrade: Header[] = [
      ["connection", "Upgrade"],
      ["upgrade", "websocket"],
    ];
    expect((await ask([...forwarded, ...upgrade])).status).toBe(200);
  });

  test.each(["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])(
    "does not ask for a method: %s",
    async (method) => {
      expect((await ask(forwarded, method, method === "POST" ? "{}" : undefined)).status).toBe(200);
      expect(asked).toEqual([put]);
    },
  );
});

test.each<[string, () => Verdict]>([
  ["may pass", () => pass],
  ["may not pass", () => ({ kind: "refuse", status: 401, challenge: "Bearer" })],
  [
    "cannot be judged",
    () => {
      throw new PosternError("UNAVAILABLE");
    },
  ],
])(
  "a call that the listener has refused in the meantime is left alone when its request %s",
  async (_, judge) => {
    const refused = Promise.withResolvers<void>();
    const authorize = async () => {
      await refused.promise;
      return judge();
    };
    const handled: Promise<void>[] = [];
    const busy = createServer((request, response) => {
      handled.push(
        serveForwardAuth({ authorize, onFault: (error) => faults.push(error) }, request, response),
      );
      response.writeHead(503).end();
      refused.resolve();
    });
    busy.listen(0, "127.0.0.1");
    await once(busy, "listening");
    const { port: busyPort } = busy.address() as AddressInfo;
    expect(
      (await fetch(`http://127.0.0.1:${busyPort}`, { headers: forwarded as [string, string][] })).status,
    ).toBe(503);
    await Promise.all(handled);
    expect(faults).toEqual([]);
    busy.close();
  },
);
