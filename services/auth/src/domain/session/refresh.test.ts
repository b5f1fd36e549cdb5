import { expect, test } from "vitest";
import type { Caller } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { RefreshKey, SigningKey } from "../ports/key-material.ts";
import type { RotateOutcome, SessionGrant } from "../ports/session-store.ts";
import { mintRefreshToken } from "../token/refresh-token.ts";
import { type RefreshDeps, refresh } from "./refresh.ts";

const id = "0188bac7-4afa-78aa-bc3b-bd1eef28d881";
const now = new Date("2026-01-01T00:00:00Z");
const all = new Set(["*"]);
const caller: Caller = {
  name: "web",
  permissions: new Set(["login"]),
  trustedAddress: false,
  scopes: all,
  audiences: all,
  clients: all,
};
const refreshKey: RefreshKey = { number: 1, mac: () => new Uint8Array(32), verify: () => true };
const signingKey = { kid: "kid", alg: "ES256", sign: () => new Uint8Array(64) } as unknown as SigningKey;
const grant: SessionGrant = {
  sessionId: id,
  userId: id,
  clientId: "web",
  audience: ["api"],
  scope: [],
  roles: [],
  amr: ["pwd"],
  authTime: now,
  rev: 0,
  refreshKey: 1,
  generation: 1,
  endsAt: new Date(now.getTime() + 60_000),
  now,
  keysVersion: "k",
};

/** Refreshes with a store that commits with the outcome. @returns what happened, in order */
async function run(outcome: RotateOutcome): Promise<string[]> {
  const happened: string[] = [];
  const deps: RefreshDeps = {
    sessions: {
      async rotate() {
        await Promise.resolve();
        happened.push("committed");
        return outcome;
      },
    },
    knownRevocations: { notice: () => void happened.push("noticed") },
    keyRing: {
      signingKey,
      findRefreshKey: async () => refreshKey,
      follow: async () => {},
    } as unknown as KeyRing,
    issuer: "https://x.example",
    policy: { accessTtlMs: 60_000 },
    newId: () => id,
  };
  const refreshToken = mintRefreshToken(refreshKey, { sessionId: id, generation: 0 });
  const optional = { scope: [], clientId: undefined, clientRequestId: undefined };
  await refresh(deps, { caller, refreshToken, ...optional, requestId: "request" }).then(
    () => happened.push("answered"),
    (error: unknown) => happened.push(error instanceof AuthError ? error.reason : String(error)),
  );
  return happened;
}

test("the end of a session by a reused refresh token is noticed after the commit", async () => {
  expect(await run({ kind: "reused" })).toEqual(["committed", "noticed", "REFRESH_TOKEN_REUSED"]);
});

test("a refresh that ends no session is not noticed", async () => {
  expect(await run({ kind: "granted", grant })).toEqual(["committed", "answered"]);
});

test.each([
  ["unknown", "INVALID_REFRESH_TOKEN"],
  ["foreign", "INVALID_REFRESH_TOKEN"],
  ["ended", "SESSION_ENDED"],
  ["scope_too_wide", "SCOPE_TOO_WIDE"],
] as const)("a refresh refused as %s is not noticed", async (kind, reason) => {
  expect(await run({ kind })).toEqual(["committed", reason]);
});
