import { expect, test } from "vitest";
import type { Caller } from "../caller/caller.ts";
import type { Permission } from "../caller/permission.ts";
import { AuthError } from "../errors.ts";
import type { RevocationLog, RevokeOutcome } from "../ports/revocation-log.ts";
import { type RevokeTarget, revoke } from "./revoke.ts";

const id = "0190a5f0-7c1b-7abc-8def-0123456789ab";

/** Revokes with a store that commits with the outcome, or throws. @returns what happened, in order */
async function run(target: RevokeTarget, outcome: RevokeOutcome | AuthError, permission: Permission) {
  const happened: string[] = [];
  async function commit(): Promise<RevokeOutcome> {
    await Promise.resolve();
    if (outcome instanceof AuthError) throw outcome;
    happened.push("committed");
    return outcome;
  }
  const log: Partial<RevocationLog> = {
    revokeSession: commit,
    revokeUser: commit,
    revokeClient: commit,
    revokeEverything: commit,
    async readSeq() {
      happened.push("read");
      return 7;
    },
  };
  const deps = {
    keyRing: { findSigningKey: async () => undefined, findRefreshKey: async () => undefined },
    revocations: log as RevocationLog,
    knownRevocations: { notice: () => void happened.push("noticed") },
  };
  const none = new Set<string>();
  const limits = { scopes: none, audiences: none, clients: none, trustedAddress: false };
  const caller: Caller = { name: "web", permissions: new Set([permission]), ...limits };
  await revoke(deps, { caller, target, requestId: "request" }).then(
    () => happened.push("answered"),
    (error: unknown) => happened.push(error instanceof AuthError ? error.reason : String(error)),
  );
  return happened;
}

const session: RevokeTarget = { kind: "session", sessionId: id };
const targets: [string, RevokeTarget][] = [
  ["a session", session],
  ["a user", { kind: "user", userId: id }],
  ["a client", { kind: "client", clientId: "web" }],
  ["everything", { kind: "everything" }],
];

test.each(targets)(
  "the revocation of %s is noticed after the commit, before the answer",
  async (_, target) => {
    const happened = await run(target, { kind: "revoked", seq: 7 }, "revoke:any");
    expect(happened).toEqual(["committed", "noticed", "answered"]);
  },
);

test("the revocation of an unknown token is noticed: an earlier try may have committed", async () => {
  const happened = await run({ kind: "token", token: "unknown" }, { kind: "already", seq: 7 }, "revoke:any");
  expect(happened).toEqual(["read", "noticed", "answered"]);
});

test("a revocation again is noticed: the answer to the earlier try may have been lost", async () => {
  const happened = await run(session, { kind: "already", seq: 7 }, "revoke:any");
  expect(happened).toEqual(["committed", "noticed", "answered"]);
});

test("a refused revocation is not noticed", async () => {
  expect(await run(session, { kind: "foreign" }, "login")).toEqual(["committed", "NOT_PERMITTED"]);
  expect(await run({ kind: "everything" }, { kind: "revoked", seq: 7 }, "login")).toEqual(["NOT_PERMITTED"]);
});

test("a revocation that the store has not taken is not noticed", async () => {
  expect(await run(session, new AuthError("UNAVAILABLE"), "revoke:any")).toEqual(["UNAVAILABLE"]);
});
