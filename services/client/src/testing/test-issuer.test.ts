import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseAccessToken } from "../core/access-token.ts";
import { createVerifier } from "../verifier/create-verifier.ts";
import { connectPostern, type PosternConnection } from "../verifier/postern-connection.ts";
import { createTestIssuer, type TestIssuer } from "./index.ts";

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await createTestIssuer();
});
afterEach(async () => {
  vi.useRealTimers();
  await issuer.close();
});

// biome-ignore lint/suspicious/noExplicitAny: any JSON
const get = async (path: string): Promise<any> => (await fetch(`${issuer.url}${path}`)).json();

/** The first message of a stream, which is ended after it. */
async function firstOf({ watch }: PosternConnection, cursor: string): Promise<WatchRevocationsResponse> {
  const ending = new AbortController();
  try {
    for await (const message of watch(cursor, ending.signal)) return message;
  } finally {
    ending.abort();
  }
  throw new Error("no message");
}

test("its own example works", async () => {
  await using verifier = createVerifier(issuer.verifierOptions);
  const token = await issuer.token({ scope: "orders:read" });
  expect((await verifier.verify(token)).scope).toEqual(["orders:read"]);
  issuer.revoke({ token });
  await issuer.synced(verifier);
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_REVOKED" });
});

describe("a token", () => {
  test("has Postern's form, and other libraries accept it", async () => {
    const token = await issuer.token({ roles: ["admin"], scope: ["a", "b"], audience: ["x", "y"] });
    const { header, claims } = parseAccessToken(token);
    const keys = await get("/.well-known/jwks.json");
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      issuer: issuer.url,
      audience: "y",
      typ: "at+jwt",
      algorithms: ["ES256"],
    });
    expect(payload).toEqual(claims);
    expect(header).toEqual({ alg: "ES256", kid: keys.keys[0].kid });
    expect(claims).toMatchObject({
      roles: ["admin"],
      scope: "a b",
      aud: ["x", "y"],
      client_id: "test",
      rev: 0,
    });
    expect([claims.exp - claims.iat, claims.iat - claims.nbf, claims.auth_time]).toEqual([
      300,
      5,
      claims.iat,
    ]);
  });

  test("has the requested claims, also ones that Postern would not issue", async () => {
    const [subject, sessionId] = [issuer.newId("usr"), issuer.newId("ses")];
    const token = await issuer.token({ subject, sessionId, clientId: "shop", expiresIn: 60 });
    expect(parseAccessToken(token).claims).toMatchObject({ sub: subject, sid: sessionId, client_id: "shop" });
    const odd = await issuer.token({ claims: { sub: 1, exp: undefined, more: "x" } });
    const claims = JSON.parse(Buffer.from(odd.split(".")[1] ?? "", "base64url").toString());
    expect([claims.sub, "exp" in claims, claims.more]).toEqual([1, false, "x"]);
  });

  test("can be expired", async () => {
    const { claims } = parseAccessToken(await issuer.token({ expiresIn: -60 }));
    expect(claims.exp - claims.iat).toBe(300);
    expect(claims.exp).toBeLessThan(Date.now() / 1_000 - 59);
  });

  test("has the issuer's audience by default", async () => {
    await using other = await createTestIssuer({ audience: "orders" });
    expect(parseAccessToken(await other.token()).claims.aud).toEqual(["orders"]);
    expect(other.verifierOptions.audience).toBe("orders");
  });

  test("belongs to a new session by default", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => issuer.token()));
    const claims = made.map((token) => parseAccessToken(token).claims);
    for (const name of ["sub", "sid", "jti"] as const)
      expect(new Set(claims.map((one) => one[name])).size).toBe(20);
  });
});

test("publishes metadata as Postern does", async () => {
  expect(await get("/.well-known/oauth-authorization-server")).toMatchObject({
    issuer: issuer.url,
    jwks_uri: `${issuer.url}/.well-known/jwks.json`,
  });
  expect((await fetch(`${issuer.url}/`)).status).toBe(404);
  expect((await fetch(`${issuer.url}/constructor`)).status).toBe(404);
});

test("answers Introspect, only to its own caller", async () => {
  const { introspect } = connectPostern(issuer.verifierOptions.revocations);
  const [token, revoked] = [await issuer.token(), await issuer.token()];
  issuer.revoke({ token: revoked });
  expect(await introspect(token)).toBe(parseAccessToken(token).claims.jti);
  const forged = `${token.slice(0, token.lastIndexOf("."))}.${revoked.slice(revoked.lastIndexOf(".") + 1)}`;
  await using other = await createTestIssuer();
  const dead = [revoked, forged, "x", await other.token(), await issuer.token({ expiresIn: -60 })];
  for (const one of dead) expect(await introspect(one)).toBeUndefined();
  const outsider = connectPostern({ ...issuer.verifierOptions.revocations, token: "outsider" });
  await expect(outsider.introspect(token)).rejects.toThrow("unauthenticated");
  await expect(firstOf(outsider, "")).rejects.toThrow("unauthenticated");
});

test("refuses a cursor of another log", async () => {
  await using other = await createTestIssuer();
  const first = (from: TestIssuer, after: string) =>
    firstOf(connectPostern(from.verifierOptions.revocations), after);
  issuer.revoke({ userId: issuer.newId("usr") });
  const { cursor, revocations } = await first(issuer, "");
  expect(revocations).toHaveLength(1);
  expect((await first(issuer, cursor)).revocations).toEqual([]);
  for (const strange of ["x", "x.1", `${cursor}.1`, cursor.replace(/1$/, "2.5")]) {
    await expect(first(issuer, strange)).rejects.toThrow("out_of_range");
  }
  await expect(first(other, cursor)).rejects.toThrow("out_of_range");
});

describe("keys", () => {
  const kids = async () => (await get("/.well-known/jwks.json")).keys.map(({ kid }: { kid: string }) => kid);
  const kidOf = async () => parseAccessToken(await issuer.token()).header.kid;

  test("rotate: a new key signs, and the old one stays", async () => {
    const before = await kidOf();
    const next = issuer.rotateKey();
    expect([await kidOf(), await kids()]).toEqual([next, [before, next]]);
  });

  test("are removed, one by one", async () => {
    const before = await kidOf();
    const next = issuer.rotateKey();
    issuer.removeKey(before);
    expect([await kidOf(), await kids()]).toEqual([next, [next]]);
    issuer.removeKey(next);
    expect([await kids()]).toEqual([[await kidOf()]]);
    expect(await kidOf()).not.toBe(next);
  });

  test("are tainted: the stolen key is removed, and a new one signs", async () => {
    const stolen = issuer.taintKey();
    expect(await kids()).toEqual([await kidOf()]);
    expect(await kidOf()).not.toBe(stolen);
  });

  test("are published without a private part", async () => {
    issuer.rotateKey();
    for (const key of (await get("/.well-known/jwks.json")).keys) {
      expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
  });
});

test("a text that is not a token cannot be revoked", () => {
  expect(() => issuer.revoke({ token: "x" })).toThrow(
    expect.objectContaining({ code: "ERR_TOKEN_MALFORMED" }),
  );
});

test("`synced` fails for a verifier that follows another issuer", async () => {
  await using verifier = createVerifier({ ...issuer.verifierOptions, revocations: false });
  vi.useFakeTimers({ toFake: ["performance", "Date"] });
  const waiting = issuer.synced(verifier);
  vi.advanceTimersByTime(10_001);
  await expect(waiting).rejects.toThrow("did not sync");
});

test("closes immediately, with its open streams, also if called twice", async () => {
  await using verifier = createVerifier(issuer.verifierOptions);
  await issuer.synced(verifier);
  await issuer.close();
  await issuer.close();
  await expect(fetch(issuer.url)).rejects.toThrow();
  expect(await issuer.token()).toContain(".");
});
