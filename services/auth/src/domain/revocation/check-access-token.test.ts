import { expect, test } from "vitest";
import type { KeyRing } from "../keys/key-ring.ts";
import type { RefreshKey, SigningKey } from "../ports/key-material.ts";
import type { SessionGrant } from "../ports/session-store.ts";
import { mintTokens } from "../token/mint-tokens.ts";
import { checkAccessToken } from "./check-access-token.ts";

const id = "0188bac7-4afa-78aa-bc3b-bd1eef28d881";
const now = new Date("2026-01-01T00:00:00Z");
const issuer = "https://x.example";
const key = {
  kid: "kid",
  alg: "ES256",
  sign: () => new Uint8Array(64),
  verify: () => true,
} as unknown as SigningKey;
const refreshKey: RefreshKey = { number: 1, mac: () => new Uint8Array(32), verify: () => true };
const grant: SessionGrant = {
  sessionId: id,
  userId: id,
  clientId: "web",
  audience: ["api"],
  scope: [],
  roles: [],
  amr: ["pwd"],
  authTime: now,
  rev: 5,
  refreshKey: 1,
  generation: 1,
  endsAt: new Date(now.getTime() + 60_000),
  now,
  keysVersion: "k0",
};

/** A replica that can check the token that it mints. The ring loses its key when it follows the version `k1`. */
async function open() {
  let held: SigningKey | undefined = key;
  let lookUps = 0;
  const ring: Partial<KeyRing> = {
    signingKey: key,
    findRefreshKey: async () => refreshKey,
    async findSigningKey() {
      lookUps += 1;
      return held;
    },
    holds: (other) => other === held,
    async follow(version) {
      if (version === "k1") held = undefined;
    },
  };
  const keyRing = ring as KeyRing;
  const minting = { keyRing, issuer, policy: { accessTtlMs: 60_000 }, newId: () => id };
  const { accessToken } = await mintTokens(minting, grant, grant);
  const view = { revocations: { revokes: () => false }, head: { seq: 5, tail: id }, now, keysVersion: "k0" };
  return {
    check: (changes: Partial<typeof view> = {}) =>
      checkAccessToken(
        { keyRing, issuer, knownRevocations: { current: async () => ({ ...view, ...changes }) } },
        accessToken,
      ),
    lookUps: () => lookUps,
  };
}

test("a token that nothing has ended is active, and its key is looked up once", async () => {
  const { check, lookUps } = await open();
  expect(await check()).toMatchObject({ sub: expect.stringMatching(/^usr_/), aud: ["api"] });
  expect(lookUps()).toBe(1);
});

test("a token is not active if its key has left the ring since the signature was verified", async () => {
  const { check, lookUps } = await open();
  expect(await check({ keysVersion: "k1" })).toBeUndefined();
  expect(lookUps()).toBe(1);
});

test("a token is not active from the moment at which it expires by the database's time", async () => {
  const { check } = await open();
  expect(await check({ now: new Date(now.getTime() + 59_999) })).toBeDefined();
  expect(await check({ now: new Date(now.getTime() + 60_000) })).toBeUndefined();
});

test("a token from a history that the database has lost is not active", async () => {
  const { check } = await open();
  expect(await check({ head: { seq: 4, tail: id } })).toBeUndefined();
});

test("a revoked token is not active", async () => {
  const { check } = await open();
  expect(await check({ revocations: { revokes: () => true } })).toBeUndefined();
});
