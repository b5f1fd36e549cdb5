import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { poll } from "../../../../test/support/poll.ts";
import type { PosternError } from "../core/postern-error.ts";
import type { TestIssuer } from "../testing/index.ts";
import { createVerifier } from "./create-verifier.ts";
import { jwksPath, Opened, refuses, watchPath } from "./verifier.fixture.ts";
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

test("verifies a token, and returns its owner", async () => {
  const { issuer, verifier } = await opened.pair();
  const wanted = { subject: issuer.newId("usr"), sessionId: issuer.newId("ses"), clientId: "shop" };
  const more = { scope: ["read", "write"], roles: ["admin"], audience: ["other", "test"] };
  const token = await issuer.token({ ...wanted, ...more });

  const verified = await verifier.verify(token);

  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  expect(verified).toEqual({ ...wanted, ...more, expiresAt: claims.exp, claims });
  const plain = await verifier.verify(await issuer.token());
  expect([plain.scope, plain.roles, plain.audience]).toEqual([[], [], ["test"]]);
});

test("returns the same frozen object again", async () => {
  const { issuer, verifier } = await opened.pair();
  const token = await issuer.token({ scope: "read", roles: ["user"] });
  const verified = await verifier.verify(token);
  expect(await verifier.verify(token)).toBe(verified);
  const { claims } = verified;
  const parts = [verified, claims, verified.scope, verified.roles, verified.audience, claims.aud, claims.amr];
  parts.push((await verifier.verify(await issuer.token())).roles);
  for (const part of parts) expect(Object.isFrozen(part)).toBe(true);
  expect(() => (verified.roles as string[]).push("admin")).toThrow(TypeError);
});

test("while the feed is synced it makes no other call: no key set, no introspection", async () => {
  const { issuer, relay, options } = await opened.site();
  const verifier = opened.verifier(options);
  await issuer.synced(verifier);
  for (let round = 0; round < 20; round += 1) await verifier.verify(await issuer.token());
  issuer.rotateKey();
  await issuer.synced(verifier);
  await verifier.verify(await issuer.token());
  await refuses(verifier, await (await opened.issuer()).token(), "ERR_KEY_UNKNOWN");
  expect(relay.asked).toEqual([`/postern.auth.v1.AuthService${watchPath}`]);
});

describe("a revocation", () => {
  const whose = {
    subject: "usr_01h2xcejqtf2nbrexx3vqjhp41",
    sessionId: "ses_01h2xcejqtf2nbrexx3vqjhp43",
    clientId: "shop",
  };
  type Revoke = (issuer: TestIssuer, token: string) => void;
  test.each<[string, Revoke, PosternError["code"], { othersToo?: true; newOnesToo?: true }]>([
    ["a token", (issuer, token) => issuer.revoke({ token }), "ERR_TOKEN_REVOKED", {}],
    [
      "a session",
      (issuer) => issuer.revoke({ sessionId: whose.sessionId }),
      "ERR_TOKEN_REVOKED",
      { newOnesToo: true },
    ],
    ["a user", (issuer) => issuer.revoke({ userId: whose.subject }), "ERR_TOKEN_REVOKED", {}],
    ["a client", (issuer) => issuer.revoke({ clientId: whose.clientId }), "ERR_TOKEN_REVOKED", {}],
    ["everything", (issuer) => issuer.revoke({ everything: true }), "ERR_TOKEN_REVOKED", { othersToo: true }],
    // It is gone from the set as well.
    ["a key", (issuer) => void issuer.taintKey(), "ERR_KEY_UNKNOWN", { othersToo: true }],
  ])("of %s revokes the right tokens and no others", async (_, revoke, code, { othersToo, newOnesToo }) => {
    const { issuer, verifier } = await opened.pair();
    const [token, other] = [await issuer.token(whose), await issuer.token()];
    await verifier.verify(token);
    await verifier.verify(other);
    revoke(issuer, token);
    const young = await issuer.token(whose);
    const late = opened.verifier(issuer.verifierOptions);
    for (const one of [verifier, late]) {
      await issuer.synced(one);
      await refuses(one, token, code);
      await (othersToo ? refuses(one, other, code) : one.verify(other));
      await (newOnesToo ? refuses(one, young, code) : one.verify(young));
    }
  });

  test("B09 of two cutoffs the later one counts", async () => {
    const { issuer, verifier } = await opened.pair();
    issuer.revoke({ userId: whose.subject });
    const between = await issuer.token(whose);
    issuer.revoke({ clientId: whose.clientId });
    const after = await issuer.token(whose);
    await issuer.synced(verifier);
    await refuses(verifier, between, "ERR_TOKEN_REVOKED");
    await verifier.verify(after);
  });
});

describe("clocks", () => {
  /** Moves only the wall clock, as when a virtual machine was suspended. */
  const moveWallClock = (ms: number) => vi.setSystemTime(Date.now() + ms);

  test("the feed is stale immediately when a suspended machine resumes, and recovers soon", async () => {
    const { issuer, verifier } = await opened.pair();
    const before = performance.now();
    moveWallClock(3_600_000);
    expect(performance.now()).toBe(before);
    expect(verifier.state.feed).toBe("stale");
    expect(verifier.state.lagMs).toBeGreaterThanOrEqual(3_600_000);
    issuer.revoke({ clientId: "shop" });
    await issuer.synced(verifier);
    await verifier.verify(await issuer.token());
  });

  test("a token that was revoked while the machine was suspended is not accepted after it resumes", async () => {
    const { issuer, relay, options } = await opened.site();
    const verifier = opened.verifier({ ...options, onStale: "refuse" });
    await issuer.synced(verifier);
    const token = await issuer.token({ expiresIn: 3_600 });
    await verifier.verify(token);
    relay.refuse(watchPath);
    issuer.revoke({ token });
    moveWallClock(600_000);
    await refuses(verifier, token, "ERR_FEED_STALE");
  });

  test("a wall clock that is set back does not make stale data look fresh", async () => {
    const { issuer, relay, options } = await opened.site();
    const verifier = opened.verifier({ ...options, onStale: "refuse" });
    await issuer.synced(verifier);
    relay.refuse(watchPath);
    pass(10_001);
    moveWallClock(-3_600_000);
    await until(verifier, "stale");
    expect(verifier.state.lagMs).toBeGreaterThan(10_000);
  });

  test("a key set that became too old while the machine was suspended is fetched again", async () => {
    const { issuer, options } = await opened.site();
    const verifier = opened.verifier({ ...options, revocations: false });
    const token = await issuer.token({ expiresIn: 3_600 });
    await verifier.verify(token);
    const [kid = ""] = verifier.state.kids;
    issuer.rotateKey();
    issuer.removeKey(kid);
    moveWallClock(600_000);
    await refuses(verifier, token, "ERR_KEY_UNKNOWN");
  });
});

describe("keys", () => {
  test("A29 after a key is removed, cached tokens are refused too", async () => {
    const { issuer, verifier } = await opened.pair();
    const token = await issuer.token();
    await verifier.verify(token);
    const [kid = ""] = verifier.state.kids;
    issuer.rotateKey();
    await issuer.synced(verifier);
    await verifier.verify(token);
    issuer.removeKey(kid);
    await issuer.synced(verifier);
    await refuses(verifier, token, "ERR_KEY_UNKNOWN");
  });

  test("without revocations come from the key set, found by discovery", async () => {
    const issuer = await opened.issuer();
    const verifier = opened.verifier({ ...issuer.verifierOptions, revocations: false });
    await verifier.ready;
    expect(verifier.state).toMatchObject({
      feed: "off",
      lagMs: Infinity,
      kids: [expect.stringMatching(/^key_/)],
    });
    const token = await issuer.token();
    await verifier.verify(token);
    issuer.revoke({ token });
    await verifier.verify(token);
    await refuses(verifier, await (await opened.issuer()).token(), "ERR_KEY_UNKNOWN");
  });

  test("that cannot be fetched do not decide about a token", async () => {
    const { issuer, relay, options } = await opened.site();
    relay.refuse(jwksPath);
    const verifier = opened.verifier({ ...options, revocations: false });
    await expect(verifier.ready).rejects.toMatchObject({ code: "ERR_UNAVAILABLE" });
    const token = await issuer.token();
    await refuses(verifier, token, "ERR_UNAVAILABLE");
    relay.restore();
    pass(1_000);
    await verifier.verify(token);
  });
});

describe("state", () => {
  test("shows the progress of the feed", async () => {
    const { issuer, verifier } = await opened.pair();
    expect(verifier.state).toMatchObject({ feed: "synced", sequence: 0, revocations: 0 });
    issuer.revoke({ userId: issuer.newId("usr") });
    issuer.revoke({ clientId: "shop" });
    issuer.rotateKey();
    await issuer.synced(verifier);
    const { kids, lagMs, ...rest } = verifier.state;
    expect(rest).toEqual({ feed: "synced", sequence: 2, revocations: 2 });
    expect(kids).toHaveLength(2);
    pass(250);
    expect(verifier.state.lagMs).toBe(lagMs + 250);
  });
});

describe("closing", () => {
  test("ends the feed: later every token is refused", async () => {
    const { issuer, relay, options } = await opened.site({ maxStaleness: 2_000 });
    const verifier = opened.verifier({ ...options, onStale: "refuse" });
    await issuer.synced(verifier);
    await verifier.close();
    const before = relay.asked.length;
    pass(2_001);
    await until(verifier, "stale");
    await refuses(verifier, await issuer.token(), "ERR_FEED_STALE");
    await delay(0);
    expect(relay.asked.length).toBe(before);
  });

  test("immediately, or twice, is allowed, and ends waiting calls", async () => {
    const { relay, options } = await opened.site();
    relay.refuse(watchPath);
    const verifier = createVerifier(options);
    await verifier.close();
    await verifier.close();
    await verifier.ready;
    await createVerifier({ ...options, revocations: false }).close();
  });
});

describe("options", () => {
  const good: VerifierOptions = {
    issuer: "https://auth.example.com",
    audience: "a",
    revocations: { baseUrl: "http://127.0.0.1:1", token: "t" },
  };
  test.each<[string, object]>([
    ["issuer", { issuer: "auth" }],
    ["issuer", { issuer: undefined }],
    ["issuer", { issuer: "auth.example.com" }],
    ["issuer", { issuer: "localhost:8080" }],
    ["issuer", { issuer: "ftp://auth.example.com" }],
    ["issuer", { issuer: "https://auth.example.com/" }],
    ["issuer", { issuer: " https://auth.example.com" }],
    ["issuer", { issuer: "https://auth.example.com?tenant=1" }],
    ["issuer", { issuer: "https://auth.example.com#a" }],
    ["issuer", { issuer: "https://ada:secret@auth.example.com" }],
    ["issuer", { issuer: new URL("https://auth.example.com/tenant") }],
    ["audience", { audience: "" }],
    ["audience", { audience: [] }],
    ["audience", { audience: undefined }],
    ["audience", { audience: ["a", ""] }],
    ["audience", { audience: ["a", 1] }],
    ["audience", { audience: Array(1) }],
    ["audience", { audience: { 0: "a", length: 1 } }],
    ["jwksUri", { jwksUri: "localhost:8080/keys" }],
    ["jwksUri", { jwksUri: "file:///keys" }],
    ["jwksUri", { jwksUri: "https://ada:secret@auth.example.com/keys" }],
    ["jwksUri", { jwksUri: null }],
    ["jwksUri", { jwksUri: "/keys" }],
    ["revocations", { revocations: undefined }],
    ["revocations", { revocations: true }],
    ["revocations", { revocations: null }],
    ["revocations.baseUrl", { revocations: {} }],
    ...[
      ...[
        "auth",
        "localhost:8080",
        "postern:8080",
        "grpc://postern:9090",
        "dns:///postern:9090",
        "//postern:8080",
      ],
      ...[
        "unix:/run/postern.sock",
        "ws://postern:8080",
        "http://ada:secret@postern:8080",
        "http://postern:8080?a",
      ],
      ...[
        "http://postern:8080#a",
        "http://postern:8080\n",
        "http://",
        "",
        undefined,
        new URL("http://postern:8080"),
      ],
    ].map((baseUrl): [string, object] => ["revocations.baseUrl", { revocations: { baseUrl, token: "t" } }]),
    ...["2.0", "3", "1", 2, null, ""].map((httpVersion): [string, object] => [
      "revocations.httpVersion",
      { revocations: { baseUrl: "http://127.0.0.1:1", token: "t", httpVersion } },
    ]),
    [
      "revocations.url",
      { revocations: { baseUrl: "http://127.0.0.1:1", token: "t", url: "http://127.0.0.1:1" } },
    ],
    ["revocations.token", { revocations: { baseUrl: "http://127.0.0.1:1", token: "" } }],
    ["maxStaleness", { maxStaleness: Number.NaN }],
    ["maxStaleness", { maxStaleness: -1 }],
    ["maxStaleness", { maxStaleness: "5000" }],
    ["maxStaleness", { maxStaleness: null }],
    ["onStale", { onStale: "acept" }],
    ["onStale", { onStale: null }],
    ["cacheSize", { cacheSize: -1 }],
    ["cacheSize", { cacheSize: Number.NaN }],
    ["cacheSize", { cacheSize: Infinity }],
    ["cacheSize", { cacheSize: "10" }],
    ["onEvent", { onEvent: "log" }],
    // A misspelled option would keep its default.
    ["jwksURL", { jwksURL: "https://auth.example.com/keys" }],
    ["onstale", { onstale: "refuse" }],
    ["maxStalenes", { maxStalenes: 1_000 }],
  ])("that are invalid are refused, and the error names the option: %s %j", (name, fault) => {
    const made = { ...good, ...fault } as VerifierOptions;
    expect(() => createVerifier(made)).toThrow(TypeError);
    expect(() => createVerifier(made)).toThrow(new RegExp(`^\`${name}\``));
  });

  test.each([" secret-of-a-caller", "secret-of-a-caller\n", "secret\rof", "secr\u00e9t", ["secret"], 12])(
    "a secret token that cannot be sent in a header is refused, and no error repeats it: %j",
    (token) => {
      const made = { ...good, revocations: { ...good.revocations, token } } as unknown as VerifierOptions;
      expect(() => createVerifier(made)).toThrow(/^`revocations\.token` must be printable ASCII/);
      expect(() => createVerifier(made)).not.toThrow(/secr|12/);
    },
  );

  test.each([undefined, null, "https://auth.example.com"])(
    "that are not an object are refused: %j",
    (options) => {
      expect(() => createVerifier(options as unknown as VerifierOptions)).toThrow(
        "the options must be an object",
      );
    },
  );

  test.each<object>([
    { revocations: false },
    { issuer: "http://127.0.0.1:8080/tenant" },
    { audience: ["a", "b"] },
    { jwksUri: "http://127.0.0.1:1/keys?a=1" },
    { maxStaleness: 0 },
    { maxStaleness: Infinity },
    { cacheSize: 0 },
    { onStale: undefined, jwksUri: undefined, onEvent: undefined },
    { revocations: { baseUrl: "http://127.0.0.1:1/", token: "t" } },
    {
      revocations: {
        baseUrl: "https://127.0.0.1:1/postern",
        token: "a secret with spaces",
        httpVersion: "2",
      },
    },
  ])("that are valid are accepted: %j", async (more) => {
    const verifier = createVerifier({ ...good, ...more } as VerifierOptions);
    verifier.ready.catch(() => {});
    await verifier.close();
  });
});
