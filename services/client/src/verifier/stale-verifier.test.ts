import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { IntrospectResponseSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { poll } from "../../../../test/support/poll.ts";
import { PosternError } from "../core/postern-error.ts";
import type { FeedEvent } from "./stream.ts";
import { introspectPath, jwksPath, Opened, refuses, watchPath } from "./verifier.fixture.ts";
import type { Verifier } from "./verifier.ts";
import type { VerifierOptions } from "./verifier-options.ts";

const opened = new Opened();
// The clocks that measure the feed's age advance only when a test advances them, so a slow machine makes nothing stale.
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "Date"] }));
const pass = (ms: number) => vi.advanceTimersByTime(ms);
afterEach(async () => {
  vi.useRealTimers();
  await opened.closeAll();
});

const until = (verifier: Verifier, feed: Verifier["state"]["feed"]) =>
  poll(`the feed is ${feed}`, 20_000, async () => (verifier.state.feed === feed ? true : undefined));
const asks = (asked: readonly string[], ending: string) =>
  asked.filter((path) => path.endsWith(ending)).length;

async function startServer(listener: RequestListener) {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("while the feed is stale", () => {
  /** Synced, then cut off from the stream until it is stale. */
  async function cutOff(more: Partial<VerifierOptions>) {
    const site = await opened.site();
    const { issuer, relay, options } = site;
    const verifier = opened.verifier({ ...options, ...more });
    await issuer.synced(verifier);
    const [token, revoked] = [await issuer.token(), await issuer.token()];
    await verifier.verify(token);
    await verifier.verify(revoked);
    relay.refuse(watchPath);
    pass(10_001);
    await until(verifier, "stale");
    issuer.revoke({ token: revoked });
    return { ...site, verifier, token, revoked };
  }

  test.each(["introspect", undefined] as const)("%s: each token is introspected", async (onStale) => {
    const more = onStale === undefined ? {} : { onStale };
    const { issuer, relay, verifier, token, revoked } = await cutOff(more);
    const verified = await verifier.verify(token);
    expect([verified.expiresAt, Object.isFrozen(verified.claims)]).toEqual([verified.claims.exp, true]);
    await verifier.verify(token);
    await refuses(verifier, revoked, "ERR_TOKEN_REVOKED");
    // The issuer does not know whom this verifier takes tokens for.
    await refuses(verifier, await issuer.token({ audience: "other" }), "ERR_TOKEN_INVALID");
    await refuses(verifier, await issuer.token({ expiresIn: -60 }), "ERR_TOKEN_EXPIRED");
    expect(asks(relay.asked, introspectPath)).toBe(3);
    // Signed by a key that is not known here yet.
    issuer.rotateKey();
    await verifier.verify(await issuer.token());
  });

  test("introspect: a forged token causes no call", async () => {
    const { relay, verifier, token } = await cutOff({});
    const forged = `${token.slice(0, token.lastIndexOf("."))}.${Buffer.alloc(64, 1).toString("base64url")}`;
    await refuses(verifier, forged, "ERR_TOKEN_INVALID");
    await refuses(verifier, "x", "ERR_TOKEN_MALFORMED");
    expect(asks(relay.asked, introspectPath)).toBe(0);
  });

  /** Forged tokens, each with a different key. */
  const madeUp = (token: string, count: number) =>
    Array.from({ length: count }, (_, index) => {
      const header = { alg: "ES256", typ: "at+jwt", kid: `made-up-${index}` };
      return `${Buffer.from(JSON.stringify(header)).toString("base64url")}${token.slice(token.indexOf("."))}`;
    });

  test("introspect: any number of tokens with unknown keys causes one fetch of the key set", async () => {
    const { issuer, relay, verifier, token } = await cutOff({});
    await Promise.all(madeUp(token, 50).map((forged) => refuses(verifier, forged, "ERR_KEY_UNKNOWN")));
    for (const forged of madeUp(token, 5)) await refuses(verifier, forged, "ERR_KEY_UNKNOWN");
    expect([asks(relay.asked, introspectPath), asks(relay.asked, jwksPath)]).toEqual([0, 1]);
    // A new key of the issuer is found by the next fetch.
    issuer.rotateKey();
    pass(10_000);
    await verifier.verify(await issuer.token());
    expect([asks(relay.asked, introspectPath), asks(relay.asked, jwksPath)]).toEqual([1, 2]);
  });

  test("introspect: without a key set, tokens with unknown keys cause only a few calls per second", async () => {
    const { issuer, relay, verifier, token } = await cutOff({});
    relay.refuse(watchPath, jwksPath);
    const errors = await Promise.all(
      madeUp(token, 50).map((forged) => verifier.verify(forged).catch((error: PosternError) => error.code)),
    );
    const count = (code: string) => errors.filter((one) => one === code).length;
    expect([count("ERR_TOKEN_REVOKED"), count("ERR_UNAVAILABLE")]).toEqual([10, 40]);
    expect(asks(relay.asked, introspectPath)).toBe(10);
    await verifier.verify(token);
    issuer.rotateKey();
    const young = await issuer.token();
    await refuses(verifier, young, "ERR_UNAVAILABLE");
    pass(1_000);
    await verifier.verify(young);
  });

  test("introspect: if the call fails, the result is ERR_UNAVAILABLE", async () => {
    const { issuer, relay, verifier, token, revoked } = await cutOff({});
    relay.refuse(watchPath, introspectPath);
    await refuses(verifier, token, "ERR_UNAVAILABLE");
    await refuses(verifier, revoked, "ERR_UNAVAILABLE");
    await issuer.close();
    await refuses(verifier, token, "ERR_UNAVAILABLE");
  });

  test("introspect: without the permission, the result is ERR_UNAVAILABLE", async () => {
    const { issuer, options } = await opened.site();
    const token = "not-the-token-of-any-caller-0123456789";
    const verifier = opened.verifier({ ...options, revocations: { ...options.revocations, token } });
    pass(5_000);
    await refuses(verifier, await issuer.token(), "ERR_UNAVAILABLE");
    expect(verifier.state.feed).toBe("starting");
  });

  test("introspect: an answer about another token is not accepted", async () => {
    const { issuer, options } = await opened.site();
    const message = create(IntrospectResponseSchema, {
      active: true,
      tokenId: "tok_01h2xcejqtf2nbrexx3vqjhp42",
    });
    await using server = await startServer((_, response) =>
      response
        .writeHead(200, { "content-type": "application/proto" })
        .end(toBinary(IntrospectResponseSchema, message)),
    );
    const verifier = opened.verifier({ ...options, revocations: { baseUrl: server.url, token: "t" } });
    pass(5_000);
    await refuses(verifier, await issuer.token(), "ERR_TOKEN_REVOKED");
    const [jti, token] = [message.tokenId, await issuer.token({ claims: { jti: message.tokenId } })];
    expect((await verifier.verify(token)).claims.jti).toBe(jti);
  });

  test("refuse: each token is refused with ERR_FEED_STALE", async () => {
    const { relay, verifier, token, revoked } = await cutOff({ onStale: "refuse" });
    await refuses(verifier, token, "ERR_FEED_STALE");
    await refuses(verifier, revoked, "ERR_FEED_STALE");
    expect(asks(relay.asked, introspectPath)).toBe(0);
    relay.restore();
    await until(verifier, "synced");
    await verifier.verify(token);
    await refuses(verifier, revoked, "ERR_TOKEN_REVOKED");
  });

  test("accept: known revocations count, and unknown keys are fetched", async () => {
    const { issuer, relay, verifier, token, revoked } = await cutOff({ onStale: "accept" });
    await verifier.verify(token);
    await verifier.verify(revoked);
    issuer.rotateKey();
    pass(10_001);
    await verifier.verify(await issuer.token());
    expect([asks(relay.asked, introspectPath), asks(relay.asked, jwksPath)]).toEqual([0, 2]);
    relay.restore();
    await issuer.synced(verifier);
    await refuses(verifier, revoked, "ERR_TOKEN_REVOKED");
    relay.refuse(watchPath);
    pass(10_001);
    await until(verifier, "stale");
    await refuses(verifier, revoked, "ERR_TOKEN_REVOKED");
  });

  test("accept: an unknown key is ERR_UNAVAILABLE while the key set cannot be fetched", async () => {
    const { issuer, relay, verifier, token } = await cutOff({ onStale: "accept" });
    relay.refuse(jwksPath);
    await verifier.verify(token);
    issuer.rotateKey();
    await refuses(verifier, await issuer.token(), "ERR_UNAVAILABLE");
    await verifier.verify(token);
  });

  test("A29 accept: a key that is removed from the key set is not used, although the feed had sent it", async () => {
    const { issuer, verifier, token } = await cutOff({ onStale: "accept" });
    await verifier.verify(token);
    const [kid = ""] = verifier.state.kids;
    issuer.rotateKey();
    issuer.removeKey(kid);
    pass(3_600_001);
    await refuses(verifier, token, "ERR_KEY_UNKNOWN");
  });

  test("with a maximum staleness of 0, each token is introspected", async () => {
    const { issuer, relay, options } = await opened.site();
    const verifier = opened.verifier({ ...options, maxStaleness: 0 });
    await verifier.ready;
    relay.refuse(watchPath);
    pass(1);
    const token = await issuer.token();
    for (let round = 0; round < 3; round += 1) await verifier.verify(token);
    expect(asks(relay.asked, introspectPath)).toBe(3);
  });

  test("the issuer's limit of staleness cannot be exceeded", async () => {
    const { issuer, relay, options } = await opened.site({ maxStaleness: 2_000 });
    const verifier = opened.verifier({ ...options, maxStaleness: Infinity, onStale: "refuse" });
    await issuer.synced(verifier);
    relay.refuse(watchPath);
    pass(1_990);
    expect(verifier.state).toMatchObject({ feed: "synced", lagMs: expect.closeTo(1_995, -1) });
    pass(11);
    await until(verifier, "stale");
    await refuses(verifier, await issuer.token(), "ERR_FEED_STALE");
  });
});

test("A29 without a feed, a key that is removed from the key set is not used for cached tokens", async () => {
  const { issuer, options } = await opened.site();
  const verifier = opened.verifier({ ...options, revocations: false });
  const token = await issuer.token();
  await verifier.verify(token);
  const [kid = ""] = verifier.state.kids;
  issuer.rotateKey();
  issuer.removeKey(kid);
  await verifier.verify(token);
  pass(3_600_001);
  await refuses(verifier, token, "ERR_KEY_UNKNOWN");
});

describe("at the start", () => {
  test("no token is accepted before the log is known, at any maximum staleness", async () => {
    const { issuer, relay, options } = await opened.site();
    relay.refuse(watchPath);
    const verifier = opened.verifier({ ...options, onStale: "refuse", maxStaleness: Infinity });
    const token = await issuer.token();
    issuer.revoke({ token });
    pass(5_000);
    await refuses(verifier, token, "ERR_FEED_STALE");
    expect(verifier.state).toMatchObject({ feed: "starting", lagMs: Infinity, sequence: 0, kids: [] });
  });

  test("calls wait for the feed for a while", async () => {
    const { issuer, relay, options } = await opened.site();
    relay.refuse(watchPath);
    const verifier = opened.verifier({ ...options, onStale: "refuse" });
    const token = await issuer.token();
    const verifying = Promise.all(Array.from({ length: 100 }, () => verifier.verify(token)));
    await poll("it was refused", 10_000, async () => (relay.asked.length > 0 ? true : undefined));
    relay.restore();
    // On a slow machine that may come too late for these.
    const outcome = await verifying.catch((error: unknown) => error);
    if (outcome instanceof PosternError) expect(outcome.code).toBe("ERR_FEED_STALE");
    else expect(new Set(outcome as object[]).size).toBeGreaterThan(0);
    await verifier.ready;
    await verifier.verify(token);
  });

  test("the issuer can be down, and is followed as soon as it is up", async () => {
    const { issuer, relay, options } = await opened.site();
    relay.refuse(watchPath, introspectPath, jwksPath);
    const events: FeedEvent[] = [];
    const verifier = opened.verifier({ ...options, onEvent: (event) => events.push(event) });
    const token = await issuer.token();
    // After 5 s, calls no longer wait.
    pass(5_000);
    await refuses(verifier, token, "ERR_UNAVAILABLE");
    await poll("an event was reported", 20_000, async () => events[0]);
    expect(events[0]).toEqual({ kind: "disconnected", error: expect.any(Error) });
    relay.restore();
    await verifier.ready;
    await verifier.verify(token);
    expect(verifier.state.feed).toBe("synced");
    expect(events.slice(-2).map(({ kind }) => kind)).toEqual(["keys", "synced"]);
  });
});
