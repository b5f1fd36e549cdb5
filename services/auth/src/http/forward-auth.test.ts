import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { foldedIdentityNames } from "../../../../test/support/clients/folded-names.ts";
import type { ProxiedRequest, Verdict } from "../domain/access/authorize-request.ts";
import { AuthError } from "../domain/errors.ts";
import { serveEndpoints } from "./endpoint.fixture.ts";
import { forwardAuthEndpoint } from "./forward-auth.ts";

type Header = readonly [name: string, value: string];

const claims = { sub: "usr_1", sid: "ses_1", client_id: "web", scope: "a b" };
const pass = { kind: "pass", claims: undefined } as const;
const asked: ProxiedRequest[] = [];
let verdict: () => Verdict = () => pass;
const { handler, finished } = serveEndpoints([
  forwardAuthEndpoint(async (proxied) => {
    asked.push(proxied);
    return verdict();
  }),
]);
const server = createServer(handler);
let port = 0;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => {
  asked.length = 0;
  finished.length = 0;
  verdict = () => pass;
});
afterAll(() => void server.close());

/** Sends the headers as they are listed, repeated ones too. */
async function ask(headers: readonly Header[], method = "GET", body?: string) {
  const sent = request({
    port,
    method,
    path: "/forward-auth?x=1",
    agent: false,
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

describe("the request in question", () => {
  test.each<[string, readonly Header[], Partial<ProxiedRequest>]>([
    ["as Traefik and Caddy send it", [...forwarded, ["x-forwarded-host", "h:1"]], { host: "h:1" }],
    ["as nginx sends it", original, {}],
    ["the same by both pairs of headers", [...original, ...forwarded], {}],
    ["with a token", [...original, ["Authorization", "Bearer x"]], { authorization: ["Bearer x"] }],
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
    ["neither method nor path", []],
    ["no path", [method]],
    ["no method", [uri]],
    ["one header of each pair", [method, originalUri]],
    ["the other header of each pair", [originalMethod, uri]],
    ["one pair and one header of the other", [...original, uri]],
    ["two paths", [...original, method, ["x-forwarded-uri", "/public"]]],
    ["two methods", [...forwarded, ["x-original-method", "GET"], originalUri]],
    ["a path twice", [...forwarded, uri]],
    ["a method twice", [...original, originalMethod]],
    ["a host twice", [...forwarded, ["x-forwarded-host", "a"], ["X-Forwarded-Host", "a"]]],
    ["another name for the path", [originalMethod, ["x-original-url", "http://h/a"]]],
  ])("I03: a request with %s is refused with 400, and no verdict is made", async (_, headers) => {
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
  test("to a request that may pass names the token's subject, client, session, scope and roles", async () => {
    verdict = () => ({ kind: "pass", claims: claims as never });
    const { status, headers } = await ask(forwarded);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "x-postern-subject": "usr_1",
      "x-postern-client": "web",
      "x-postern-session": "ses_1",
      "x-postern-scope": "a b",
      "x-postern-roles": "",
      "cache-control": "no-store",
      "content-length": "0",
    });
  });

  test("to a public request has every identity header, empty, so that a proxy overwrites what the client sent", async () => {
    const { status, headers } = await ask(forwarded);
    expect(status).toBe(200);
    const names = ["subject", "client", "session", "scope", "roles"].map((name) => `x-postern-${name}`);
    expect(names.map((name) => headers[name])).toEqual(["", "", "", "", ""]);
  });

  test.each([
    [400, "Bearer a"],
    [401, "Bearer b"],
    [403, undefined],
  ] as const)(
    "to a request that may not pass is %d, and has no identity header",
    async (status, challenge) => {
      verdict = () => ({ kind: "refuse", status, challenge });
      const answer = await ask(forwarded);
      expect([answer.status, answer.headers["www-authenticate"]]).toEqual([status, challenge]);
      expect(answer.headers).not.toHaveProperty("x-postern-subject");
    },
  );

  test("J04: is 503 with a time for a retry if the verdict is unknown", async () => {
    verdict = () => {
      throw new AuthError("UNAVAILABLE");
    };
    const { status, headers } = await ask(forwarded);
    expect([status, headers["retry-after"]]).toEqual([503, "1"]);
    expect(finished).toMatchObject([{ outcome: "UNAVAILABLE", isFault: false }]);
  });

  test("is 500 at an unexpected error, which is reported and not shown", async () => {
    const error = new Error("inside");
    verdict = () => {
      throw error;
    };
    expect((await ask(forwarded)).status).toBe(500);
    expect(finished).toMatchObject([{ outcome: "INTERNAL", isFault: true, error }]);
  });

  test("is the same for a request that would open a WebSocket", async () => {
    const upgrade: Header[] = [
      ["connection", "Upgrade"],
      ["upgrade", "websocket"],
    ];
    expect((await ask([...forwarded, ...upgrade])).status).toBe(200);
  });

  test.each(["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])(
    "does not depend on the method of the proxy's request: %s",
    async (method) => {
      expect((await ask(forwarded, method, method === "POST" ? "{}" : undefined)).status).toBe(200);
      expect(asked).toEqual([put]);
    },
  );
});

describe("the report", () => {
  test("of a call has its operation, its outcome and the request ID that the proxy sent", async () => {
    await ask([...forwarded, ["x-request-id", "proxy-1"]]);
    expect(finished).toMatchObject([{ operation: "forward-auth", id: "proxy-1", outcome: "ok" }]);
  });

  test("of a refused request is `ok`: a refusal is an answer", async () => {
    verdict = () => ({ kind: "refuse", status: 403, challenge: undefined });
    await ask(forwarded);
    expect(finished).toMatchObject([{ outcome: "ok" }]);
  });

  test("of a request that the proxy does not describe says what to send", async () => {
    await ask([]);
    const message = expect.stringContaining("`x-forwarded-method`");
    expect(finished).toMatchObject([{ outcome: "INVALID_REQUEST", error: { message } }]);
  });
});

test.each<[string, () => Verdict, string]>([
  ["may pass", () => pass, "OVERLOADED"],
  ["may not pass", () => ({ kind: "refuse", status: 401, challenge: "Bearer" }), "OVERLOADED"],
  [
    "cannot be judged",
    () => {
      throw new AuthError("UNAVAILABLE");
    },
    "UNAVAILABLE",
  ],
])(
  "a call that the listener has refused in the meantime gets no second answer if its request %s",
  async (_, judge, outcome) => {
    const begun = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<void>();
    const slow = serveEndpoints([
      forwardAuthEndpoint(async () => {
        begun.resolve();
        await refused.promise;
        return judge();
      }),
    ]);
    const busy = createServer(async (request, response) => {
      slow.handler(request, response);
      await begun.promise;
      response.writeHead(503).end();
      refused.resolve();
    }).listen(0, "127.0.0.1");
    await once(busy, "listening");
    const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}/forward-auth`;
    expect((await fetch(url, { headers: forwarded as [string, string][] })).status).toBe(503);
    await vi.waitFor(() => expect(slow.finished).toMatchObject([{ outcome }]), 20_000);
    busy.close();
  },
);
