import { generateKeyPairSync } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WatchRevocationsResponseSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { describe, expect, test } from "vitest";
import { compact, header, issuedAt, payload } from "./core/access-token.fixture.ts";
import { parseAccessToken } from "./core/access-token.ts";
import { checkClaims, readClaims } from "./core/claims.ts";
import { callerOf as callerOfExpress } from "./express/index.ts";
import { callerOf as callerOfFastify } from "./fastify/index.ts";
import { twoSides } from "./guard/two-sides.fixture.ts";
import { whilePolluted } from "./polluted.fixture.ts";
import { createTestIssuer, type TestTokenOptions } from "./testing/index.ts";
import { keepToken } from "./token-source/cached-token.ts";
import { readOptions as readSessionOptions } from "./token-source/session-options.ts";
import { createJwksSource } from "./verifier/jwks.ts";
import { readKeySet } from "./verifier/key-set.ts";
import { LocalRevocationLog } from "./verifier/log.ts";
import { openRevocationStream } from "./verifier/stream.ts";
import type { VerifiedToken } from "./verifier/verifier.ts";
import { readOptions as readVerifierOptions, type VerifierOptions } from "./verifier/verifier-options.ts";
import { checkpoint, FakeServer } from "./verifier/watch.fixture.ts";

const withCode = (code: string) => expect.objectContaining({ name: "PosternError", code });
const without = (value: object, name: string) =>
  Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));

describe("a member of Object.prototype is not a claim:", () => {
  const whole = { ...payload, roles: ["user"] };

  test.each(Object.entries(payload))("%s", async (name, value) => {
    await whilePolluted(name, value, () => {
      expect(() => readClaims(without(whole, name))).toThrow(withCode("ERR_TOKEN_MALFORMED"));
      expect(() => parseAccessToken(compact(header, without(whole, name)))).toThrow(
        withCode("ERR_TOKEN_MALFORMED"),
      );
    });
  });

  test.each(Object.entries(header))("%s of the header", async (name, value) => {
    const token = compact({ ...without(header, name), other: "x" }, payload);
    await whilePolluted(name, value, () => {
      expect(() => parseAccessToken(token)).toThrow(withCode("ERR_TOKEN_MALFORMED"));
    });
  });

  test("roles, also for a cached token", async () => {
    await using sides = await twoSides();
    const token = await sides.issuer.token();
    await whilePolluted("roles", ["admin"], async () => {
      const verified = await sides.verifier.verify(token);
      expect([verified.roles, verified.claims.roles]).toEqual([[], undefined]);
    });
    const verified = await sides.verifier.verify(token);
    expect([verified.roles, verified.claims.roles]).toEqual([[], undefined]);
  });

  test("an audience that the caller did not require", async () => {
    await whilePolluted("audience", ["other"], () =>
      checkClaims(payload, { issuer: payload.iss, nowSeconds: issuedAt }),
    );
  });
});

describe("a member of Object.prototype is not an option:", () => {
  const good = {
    issuer: "https://auth.example.com",
    audience: "a",
    revocations: { baseUrl: "http://127.0.0.1:1", token: "t" },
  };

  test.each<[keyof VerifierOptions, unknown]>([
    ["jwksUri", "https://other.example.com/keys"],
    ["maxStaleness", 1e9],
    ["onStale", "accept"],
    ["cacheSize", 0],
    ["onEvent", () => {}],
  ])("%s of a verifier", async (name, value) => {
    await whilePolluted(name, value, () => expect(readVerifierOptions(good)[name]).toBeUndefined());
  });

  test("httpVersion of a verifier's revocations", async () => {
    await whilePolluted("httpVersion", "2", () => {
      expect(readVerifierOptions(good).revocations).toMatchObject({ baseUrl: good.revocations.baseUrl });
      expect((readVerifierOptions(good).revocations as { httpVersion?: string }).httpVersion).toBeUndefined();
    });
  });

  test.each(Object.entries(good))("%s, which a verifier requires", async (name, value) => {
    await whilePolluted(name, value, () => {
      expect(() => readVerifierOptions(without(good, name) as never)).toThrow(new RegExp(`^\`${name}\``));
    });
  });

  test.each(Object.entries(good.revocations))("revocations.%s of a verifier", async (name, value) => {
    await whilePolluted(name, value, () => {
      const options = { ...good, revocations: without(good.revocations, name) };
      expect(() => readVerifierOptions(options as never)).toThrow(new RegExp(`^\`revocations.${name}\``));
    });
  });

  const login = { identifier: "ada", password: "a secret of ada" };
  const session = { baseUrl: "http://127.0.0.1:1", token: "t" };
  test.each([
    ["httpVersion", "2", { login }],
    ["refreshToken", "ptn_rt_0", { login }],
    ["onRefreshToken", () => {}, { login }],
    ["login", login, { refreshToken: "ptn_rt_0" }],
  ] as const)("%s of a session", async (name, value, more) => {
    await whilePolluted(name, value, () => {
      expect(readSessionOptions({ ...session, ...more })[name]).toBeUndefined();
    });
  });

  test.each(["baseUrl", "token"] as const)("%s, which a session requires", async (name) => {
    await whilePolluted(name, session[name], () => {
      expect(() => readSessionOptions(without({ ...session, login }, name) as never)).toThrow(
        new RegExp(`^\`${name}\``),
      );
    });
  });

  test.each([
    ["clientId", "other"],
    ["audience", ["other"]],
    ["scope", ["other"]],
    ["device", "other"],
  ] as const)("%s of a session's login", async (name, value) => {
    await whilePolluted(name, value, () => {
      expect(readSessionOptions({ ...session, login }).login?.[name]).toBeUndefined();
    });
  });

  test.each(["identifier", "password"] as const)("%s, which a login requires", async (name) => {
    await whilePolluted(name, login[name], () => {
      const options = { ...session, login: without(login, name) };
      expect(() => readSessionOptions(options as never)).toThrow(new RegExp(`^\`login.${name}\``));
    });
  });

  test.each<[keyof TestTokenOptions, unknown]>([
    ["subject", "usr_01h2xcejqtf2nbrexx3vqjhp41"],
    ["sessionId", "ses_01h2xcejqtf2nbrexx3vqjhp43"],
    ["clientId", "other"],
    ["audience", "other"],
    ["scope", "other"],
    ["roles", ["admin"]],
    ["expiresIn", 3],
    ["claims", { sub: "other" }],
  ])("%s of a test issuer's token", async (name, value) => {
    await using issuer = await createTestIssuer();
    const token = await whilePolluted(name, value, () => issuer.token());
    const claims = parseAccessToken(token).claims;
    expect([claims.client_id, claims.aud, claims.scope, claims.roles, claims.exp - claims.iat]).toEqual([
      "test",
      ["test"],
      "",
      undefined,
      300,
    ]);
    expect([claims.sub, claims.sid]).not.toContain(value);
  });

  test("audience of a test issuer, and a target of its revocations", async () => {
    const issuer = await whilePolluted("audience", "other", () => createTestIssuer());
    await using _ = issuer;
    expect(parseAccessToken(await issuer.token()).claims.aud).toEqual(["test"]);
    await whilePolluted("token", "no token", () => issuer.revoke({ everything: true }));
  });

  test("signal and refused of a token source", async () => {
    const origin = { obtain: async () => ({ accessToken: "good", expiresInMs: 300_000 }) };
    let nowMs = 0;
    const source = keepToken(origin, { elapsedMs: () => nowMs, random: () => 0 });
    await source.token();
    nowMs = 6_000;
    let asked = 0;
    origin.obtain = async () => {
      asked += 1;
      return { accessToken: "other", expiresInMs: 300_000 };
    };
    await whilePolluted("signal", AbortSignal.abort(), async () => expect(await source.token()).toBe("good"));
    await whilePolluted("refused", "good", async () => expect(await source.token()).toBe("good"));
    expect(asked).toBe(0);
  });

  test.each(["accessToken", "expiresInMs"])("%s, which a provider must return", async (name) => {
    const token = { accessToken: "good", expiresInMs: 300_000 };
    const origin = { obtain: async () => without(token, name) as never };
    const source = keepToken(origin, { elapsedMs: () => 0, random: () => 0 });
    await whilePolluted(name, token[name as keyof typeof token], () =>
      expect(source.token()).rejects.toEqual(withCode("ERR_UNAVAILABLE")),
    );
  });
});

describe("a member of Object.prototype is not part of a key or of metadata:", () => {
  const kinds = [
    {
      kid: "a",
      alg: "ES256",
      ...generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }),
    },
    { kid: "a", alg: "EdDSA", ...generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }) },
    {
      kid: "a",
      alg: "RS256",
      ...generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" }),
    },
  ];
  const members = kinds.flatMap((jwk) =>
    Object.entries(jwk).map(([name, value]) => [jwk.alg, name, value, jwk] as const),
  );

  test.each(members)("of %s, %s", async (_, name, value, jwk) => {
    expect(readKeySet(JSON.stringify({ keys: [jwk] }))?.size).toBe(1);
    await whilePolluted(name, value, () => {
      expect(readKeySet(JSON.stringify({ keys: [without(jwk, name)] }))).toBeUndefined();
    });
  });

  test("a list of keys, and a member that forbids the use of a key", async () => {
    await whilePolluted("keys", kinds, () => expect(readKeySet("{}")).toBeUndefined());
    const text = JSON.stringify({ keys: [kinds[0]] });
    await whilePolluted("use", "enc", () => expect(readKeySet(text)?.size).toBe(1));
    await whilePolluted("key_ops", ["sign"], () => expect(readKeySet(text)?.size).toBe(1));
  });

  test.each(["issuer", "jwks_uri"])("%s of an issuer's metadata", async (name) => {
    const metadata = { issuer: "http://auth.example.com", jwks_uri: "http://auth.example.com/keys" };
    const asked: string[] = [];
    const jwks = createJwksSource({
      issuer: metadata.issuer,
      jwksUri: undefined,
      fetch: async (url) => {
        asked.push(String(url));
        return new Response(JSON.stringify(without(metadata, name)));
      },
      elapsedMs: () => 0,
    });
    await whilePolluted(name, metadata[name as keyof typeof metadata], () =>
      expect(jwks.find("a")).rejects.toEqual(withCode("ERR_UNAVAILABLE")),
    );
    expect(asked).toHaveLength(1);
  });
});

describe("a member of Object.prototype is not part of a message of the feed:", () => {
  const given = checkpoint(1_790_000_000_000, { cursor: "c" });
  const bare = create(WatchRevocationsResponseSchema, { cursor: "c" });

  test("checkpoint", async () => {
    const log = new LocalRevocationLog();
    log.begin(0);
    await whilePolluted("checkpoint", given.checkpoint, () => expect(log.add(bare, 1)).toBe(false));
    expect(log.ageMs(1)).toBe(Infinity);
  });

  test.each(["asOf", "maxStaleness"] as const)("%s of a checkpoint", async (name) => {
    const { checkpoint: whole } = checkpoint(1_790_000_000_000);
    const value = whole?.[name];
    const cut = checkpoint(1_790_000_000_000);
    delete cut.checkpoint?.[name];
    const log = new LocalRevocationLog();
    log.begin(0);
    await whilePolluted(name, value, () => expect(log.add(cut, 1)).toBe(false));
  });

  test("forgetAfter of an entry", async () => {
    const entry = create(WatchRevocationsResponseSchema, {
      revocations: [{ sequence: 1n, target: { case: "sessionId", value: "ses_1" } }],
      cursor: "c",
    });
    const log = new LocalRevocationLog();
    log.begin(0);
    await whilePolluted("forgetAfter", timestampFromMs(1), () => log.add(entry, 1));
    expect(log.hasUnknownEntry).toBe(true);
  });

  test("keys, and an error of a stream that ended without one", async () => {
    const server = new FakeServer();
    const events: object[] = [];
    await using feed = openRevocationStream({
      watch: (cursor, signal) => server.watch(cursor, signal),
      clock: { nowMs: () => 0, jumpedMs: 0 },
      random: () => 1,
      onEvent: (event) => events.push(event),
    });
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    await whilePolluted("keys", { jwks: "{}" }, async () => {
      server.last.send(bare);
      await settled();
    });
    expect([feed.keys, events]).toEqual([undefined, []]);
  });
});

describe("a member of Object.prototype is not a caller:", () => {
  const caller = { subject: "usr_forged", scope: ["orders.write"] } as unknown as VerifiedToken;

  test.each([
    ["Express", callerOfExpress],
    ["Fastify", callerOfFastify],
  ])("%s", async (_, callerOf) => {
    await whilePolluted("caller", caller, () => {
      expect(() => callerOf({} as never)).toThrow(withCode("ERR_CREDENTIAL_MISSING"));
      expect(callerOf({ caller: { ...caller, subject: "usr_own" } }).subject).toBe("usr_own");
    });
  });
});
