import { Code, ConnectError, type StreamRequest } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { type ErrorCode, PosternError } from "../core/postern-error.ts";
import { twoSides } from "../guard/two-sides.fixture.ts";
import type { TokenOptions } from "../token-source/token-source.ts";
import { bearer } from "./bearer.ts";
import { kinds, protocols, registerEcho, serveEcho } from "./echo.fixture.ts";
import { callerOf, requireAuth } from "./guards.ts";

const each = protocols.flatMap((protocol) => kinds.map((kind) => [protocol, kind] as const));

/** Gives out the first token until that is refused, then the second. */
function twoTokens(first: string, second: string) {
  const asked: (string | undefined)[] = [];
  async function token({ refused }: TokenOptions = {}) {
    asked.push(refused);
    return refused === first ? second : first;
  }
  return { asked, token };
}

async function setUp(answerUnauthenticated = false) {
  const sides = await twoSides();
  let handled = 0;
  const shown: string[] = [];
  const verify = (token: string) => {
    shown.push(token);
    return sides.verifier.verify(token);
  };
  const echo = await serveEcho({
    requestGate: requireAuth({ verify }),
    routes: (router) =>
      registerEcho(router, (context) => {
        handled += 1;
        if (answerUnauthenticated) throw new ConnectError("from behind", Code.Unauthenticated);
        return callerOf(context).subject;
      }),
  });
  return {
    ...sides,
    ...echo,
    shown,
    handled: () => handled,
    async [Symbol.asyncDispose]() {
      await echo[Symbol.asyncDispose]();
      await sides[Symbol.asyncDispose]();
    },
  };
}

test.each(each)("every call has a token: %s, %s", async (protocol, kind) => {
  await using site = await setUp();
  const subject = site.issuer.newId("usr");
  const source = twoTokens(await site.issuer.token({ subject }), "another");
  expect(await site.call(protocol, kind, {}, [bearer(source)])).toBe(subject);
  expect(source.asked).toEqual([undefined]);
});

describe.each(protocols)("by %s", (protocol) => {
  test("a unary call whose token is refused is retried with another token", async () => {
    await using site = await setUp();
    const subject = site.issuer.newId("usr");
    const stale = await site.issuer.token({ expiresIn: -60 });
    const source = twoTokens(stale, await site.issuer.token({ subject }));
    expect(await site.call(protocol, "unary", {}, [bearer(source)])).toBe(subject);
    expect(source.asked).toEqual([undefined, stale]);
  });

  test("it is retried once, and only with another token", async () => {
    await using site = await setUp();
    const stale = await site.issuer.token({ expiresIn: -60 });
    const other = await site.issuer.token({ expiresIn: -50 });
    for (const second of [stale, other]) {
      const source = twoTokens(stale, second);
      await expect(site.call(protocol, "unary", {}, [bearer(source)])).rejects.toMatchObject({
        code: Code.Unauthenticated,
      });
      expect(source.asked).toEqual([undefined, stale]);
    }
    expect(site.shown).toEqual([stale, stale, other]);
  });

  test.each(["serverStream", "clientStream", "bidi"] as const)("a %s is not retried", async (kind) => {
    await using site = await setUp();
    const source = twoTokens(await site.issuer.token({ expiresIn: -60 }), await site.issuer.token());
    await expect(site.call(protocol, kind, {}, [bearer(source)])).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
    expect(source.asked).toEqual([undefined]);
  });

  test("a call that the guard admitted is not retried", async () => {
    await using site = await setUp(true);
    const source = twoTokens(await site.issuer.token(), await site.issuer.token());
    await expect(site.call(protocol, "unary", {}, [bearer(source)])).rejects.toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "from behind",
    });
    expect(source.asked).toEqual([undefined]);
    expect(site.handled()).toBe(1);
  });
});

test("a stream that is refused before it begins is not retried", async () => {
  const refusal = new ConnectError("no", Code.Unauthenticated, {
    "www-authenticate": 'Bearer error="invalid_token"',
  });
  let calls = 0;
  const next = () => {
    calls += 1;
    return Promise.reject(refusal);
  };
  const request = { stream: true, header: new Headers(), signal: new AbortController().signal };
  const call = bearer(twoTokens("a", "b"))(next)(request as unknown as StreamRequest);
  await expect(call).rejects.toBe(refusal);
  expect(calls).toBe(1);
});

test("no error repeats a token that cannot be sent in a header", async () => {
  await using site = await setUp();
  const source = { token: async () => "secret\nline" };
  const error = await site.call("connect", "unary", {}, [bearer(source)]).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: Code.Unavailable });
  expect(`${error.stack} ${error.cause}`).not.toContain("secret");
});

test.each<[ErrorCode, Code]>([
  ["ERR_UNAVAILABLE", Code.Unavailable],
  ["ERR_SESSION_ENDED", Code.Unauthenticated],
  ["ERR_LOGIN_REFUSED", Code.Unauthenticated],
])("without a token no request is sent: %s", async (code, expected) => {
  await using site = await setUp();
  const cause = new PosternError(code, "no token");
  const source = { token: () => Promise.reject(cause) };
  const error = await site.call("connect", "unary", {}, [bearer(source)]).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: expected, cause });
});
