import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { twoSides } from "../guard/two-sides.fixture.ts";
import { authenticated } from "./authenticated.ts";
import { kinds, protocols, registerEcho, serveEcho } from "./echo.fixture.ts";
import { callerOf, optionalAuth, type RequestGate, requireAuth, requireScope } from "./guards.ts";

type Options = Parameters<ConnectRouter["service"]>[2];
const each = protocols.flatMap((protocol) => kinds.map((kind) => [protocol, kind] as const));
const authorized = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const refused = (code: Code) => expect.objectContaining({ code });

/** A service on a guarded router. Its answer names the caller. */
async function site(options: Options, ...further: readonly RequestGate[]) {
  const sides = await twoSides();
  const echo = await serveEcho({
    routes: (router) =>
      registerEcho(
        authenticated(sides.verifier, router, ...further),
        (context) => callerOf(context).subject,
        options,
      ),
  });
  return {
    ...sides,
    ...echo,
    async [Symbol.asyncDispose]() {
      await echo[Symbol.asyncDispose]();
      await sides[Symbol.asyncDispose]();
    },
  };
}

test("on Connect's own router, a service with `requestGate: undefined` has no authentication, even if its adapter has a gate", async () => {
  // This behavior of Connect's own router is the reason for the wrapper.
  await using sides = await twoSides();
  await using echo = await serveEcho({
    requestGate: requireAuth(sides.verifier),
    routes: (router) => registerEcho(router, () => "in", { requestGate: undefined } as unknown as Options),
  });
  expect(await echo.call("connect", "unary")).toBe("in");
});

describe("a service on a guarded router with `requestGate: undefined` is guarded:", () => {
  test.each(each)("%s, %s", async (protocol, kind) => {
    await using guarded = await site({ requestGate: undefined } as unknown as Options);
    await expect(guarded.call(protocol, kind)).rejects.toEqual(refused(Code.Unauthenticated));
    const subject = guarded.issuer.newId("usr");
    const token = await guarded.issuer.token({ subject });
    expect(await guarded.call(protocol, kind, authorized(token))).toBe(subject);
    guarded.issuer.revoke({ token });
    await guarded.issuer.synced(guarded.verifier);
    await expect(guarded.call(protocol, kind, authorized(token))).rejects.toEqual(
      refused(Code.Unauthenticated),
    );
  });
});

test.each<[string, () => Options]>([
  ["no options", () => undefined],
  ["empty options", () => ({})],
  ["its own interceptors", () => ({ interceptors: [] })],
  ["a gate that accepts every call", () => ({ requestGate: () => {} })],
  ["a gate for optional auth", () => ({ requestGate: optionalAuth({ verify: () => Promise.reject() }) })],
  ["a gate on a prototype", () => Object.create({ requestGate: () => {} })],
  ["frozen options", () => Object.freeze({ requestGate: undefined }) as unknown as Options],
])("a service on a guarded router is guarded with %s", async (_, options) => {
  await using guarded = await site(options());
  await expect(guarded.call("grpc", "unary")).rejects.toEqual(refused(Code.Unauthenticated));
});

test("further gates of the router run first, then the service's own gate", async () => {
  const asked: string[] = [];
  const ask = (name: string) => (): void => void asked.push(name);
  await using guarded = await site(
    { requestGate: ask("service") },
    ask("router"),
    requireScope("orders.read"),
  );
  const narrow = authorized(await guarded.issuer.token());
  await expect(guarded.call("grpc", "unary", narrow)).rejects.toEqual(refused(Code.PermissionDenied));
  expect(asked).toEqual(["router"]);
  await guarded.call("grpc", "unary", authorized(await guarded.issuer.token({ scope: "orders.read" })));
  expect(asked).toEqual(["router", "router", "service"]);
});

test("a single method is guarded too, and registrations can be chained", async () => {
  await using sides = await twoSides();
  await using echo = await serveEcho({
    routes: (router) => {
      const guarded = authenticated(sides.verifier, router);
      const { rpc } = guarded;
      // The service has no methods, so this only checks the returned router.
      expect(guarded.service({ methods: [], method: {}, typeName: "test.None" } as never, {})).toBe(guarded);
      registerEcho(router, () => "open");
      const { method } = router.handlers[0] ?? {};
      if (method === undefined) throw new Error("nothing is registered");
      expect(
        rpc(method as never, (() => ({ value: "in" })) as never, { requestGate: undefined } as never),
      ).toBe(guarded);
    },
  });
  // If a path has two handlers, the later one counts.
  await expect(echo.call("connect", "unary")).rejects.toEqual(refused(Code.Unauthenticated));
  expect(await echo.call("connect", "serverStream")).toBe("open");
});

test("`callerOf` throws in a handler without a guard", async () => {
  await using echo = await serveEcho({
    routes: (router) => registerEcho(router, (context) => callerOf(context).subject),
  });
  const error = await echo.call("connect", "unary", authorized("x")).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toEqual(refused(Code.Unauthenticated));
});
