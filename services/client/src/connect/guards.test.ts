import { Code, ConnectError, createContextValues, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { PosternError } from "../core/postern-error.ts";
import { ask, listen } from "../guard/listening.fixture.ts";
import { twoSides } from "../guard/two-sides.fixture.ts";
import type { VerifiedToken } from "../verifier/verifier.ts";
import { kinds, protocols, registerEcho, serveEcho } from "./echo.fixture.ts";
import { callerKey, callerOf, optionalAuth, type RequestGate, requireAuth, requireScope } from "./guards.ts";

const each = protocols.flatMap((protocol) => kinds.map((kind) => [protocol, kind] as const));
const authorized = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function site(gate: (sides: Awaited<ReturnType<typeof twoSides>>) => RequestGate) {
  const sides = await twoSides();
  const handled: string[] = [];
  const intercepted: string[] = [];
  const own: Interceptor = (next) => (request) => {
    intercepted.push(request.method.name);
    return next(request);
  };
  const echo = await serveEcho({
    requestGate: gate(sides),
    // What a service is registered with takes the place of these.
    interceptors: [],
    routes: (router) =>
      registerEcho(
        router,
        ({ values, method }) => {
          handled.push(method.name);
          return values.get(callerKey)?.subject ?? "guest";
        },
        { interceptors: [own] },
      ),
  });
  return {
    ...sides,
    ...echo,
    handled,
    intercepted,
    async [Symbol.asyncDispose]() {
      await echo[Symbol.asyncDispose]();
      await sides[Symbol.asyncDispose]();
    },
  };
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("the call was let in");
}

describe("a service with its own interceptors is guarded:", () => {
  test.each(each)("%s, %s", async (protocol, kind) => {
    await using guarded = await site(({ verifier }) => requireAuth(verifier));
    const { call, issuer, verifier } = guarded;
    const subject = issuer.newId("usr");
    const token = await issuer.token({ subject });

    const missing = await errorOf(call(protocol, kind));
    expect(missing.code).toBe(Code.Unauthenticated);
    expect(missing.metadata.get("www-authenticate")).toBe('Bearer realm="postern"');

    const malformed = await errorOf(call(protocol, kind, { headers: { authorization: "Bearer a b" } }));
    expect(malformed.code).toBe(Code.Unauthenticated);
    expect(guarded.handled).toEqual([]);
    expect(guarded.intercepted).toEqual([]);

    expect(await call(protocol, kind, authorized(token))).toBe(subject);

    issuer.revoke({ token });
    await issuer.synced(verifier);
    const revoked = await errorOf(call(protocol, kind, authorized(token)));
    expect(revoked.code).toBe(Code.Unauthenticated);
    expect(revoked.metadata.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    expect(`${revoked.message}${[...revoked.metadata]}`).not.toContain(token.slice(-20));
    expect(guarded.handled).toHaveLength(1);
  });
});

describe("optional authentication admits a call without a token, and refuses an invalid token:", () => {
  test.each(each)("%s, %s", async (protocol, kind) => {
    await using open = await site(({ verifier }) => optionalAuth(verifier));
    const { call, issuer } = open;
    expect(await call(protocol, kind)).toBe("guest");
    const subject = issuer.newId("usr");
    expect(await call(protocol, kind, authorized(await issuer.token({ subject })))).toBe(subject);
    const expired = await issuer.token({ expiresIn: -60 });
    for (const authorization of [`Bearer ${expired}`, "Basic YTpi", "Bearer "]) {
      const error = await errorOf(call(protocol, kind, { headers: { authorization } }));
      expect(error.code).toBe(Code.Unauthenticated);
    }
    expect(open.handled).toHaveLength(2);
  });
});

test.each(protocols)("required scopes are checked by %s", async (protocol) => {
  const gate = requireScope("orders.read", "orders.write");
  await using guarded = await site(({ verifier }) => requireAuth(verifier, gate));
  const { call, issuer } = guarded;
  const narrow = await errorOf(
    call(protocol, "unary", authorized(await issuer.token({ scope: "orders.read" }))),
  );
  expect(narrow.code).toBe(Code.PermissionDenied);
  expect(narrow.metadata.get("www-authenticate")).toBe(
    'Bearer error="insufficient_scope", scope="orders.read orders.write"',
  );
  const wide = await issuer.token({ scope: "orders.write orders.read", subject: issuer.newId("usr") });
  expect(await call(protocol, "bidi", authorized(wide))).toMatch(/^usr_/);
});

test.each(protocols)("a service's own gate replaces the adapter's, by %s", async (protocol) => {
  await using sides = await twoSides();
  const { issuer, verifier } = sides;
  await using echo = await serveEcho({
    requestGate: requireAuth(verifier),
    // Forgotten: `requireAuth` around it.
    routes: (router) => registerEcho(router, () => "in", { requestGate: requireScope("orders.read") }),
  });
  const token = await issuer.token({ scope: "orders.read" });
  const error = await errorOf(echo.call(protocol, "unary", authorized(token)));
  expect(error.code).toBe(Code.Unauthenticated);
});

test.each(protocols)("a stale feed is `unavailable` by %s, a fault `internal`", async (protocol) => {
  const errors = { stale: new PosternError("ERR_FEED_STALE", "stale"), fault: new TypeError("a secret") };
  const verify = (token: string) => Promise.reject(errors[token as keyof typeof errors]);
  await using guarded = await site(() => requireAuth({ verify }));
  const stale = await errorOf(guarded.call(protocol, "unary", authorized("stale")));
  expect(stale.code).toBe(Code.Unavailable);
  expect(stale.metadata.get("retry-after")).toBe("1");
  const fault = await errorOf(guarded.call(protocol, "serverStream", authorized("fault")));
  expect(fault.code).toBe(Code.Internal);
  expect(fault.message).not.toContain("secret");
  expect(guarded.handled).toEqual([]);
});

test("a caller that other code has set is ignored", async () => {
  const values = createContextValues().set(callerKey, { subject: "usr_forged" } as VerifiedToken);
  const context = { values, requestHeader: new Headers() };
  const verifier = { verify: () => Promise.reject(new Error("unreachable")) };
  await optionalAuth(verifier)(context as unknown as Parameters<RequestGate>[0]);
  expect(values.get(callerKey)).toBeUndefined();
  expect(() => callerOf(context)).toThrow(ConnectError);
});

test("a server that joins duplicate headers refuses two `authorization` headers", async () => {
  await using sides = await twoSides();
  const adapter = connectNodeAdapter({
    requestGate: requireAuth(sides.verifier),
    routes: (router) => registerEcho(router, () => "in"),
  });
  await using server = await listen(adapter, { joinDuplicateHeaders: true });
  const line = `authorization: Bearer ${await sides.issuer.token()}`;
  const post = (...lines: string[]) => ask(server.url, "/test.Echo/Unary", { lines, json: '"hello"' });
  expect(await post(line)).toMatch(/^HTTP\/1.1 200 /);
  expect(await post(line, line)).toMatch(/^HTTP\/1.1 401 /);
});
