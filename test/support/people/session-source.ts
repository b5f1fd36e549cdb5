import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { createKeyMaterial } from "../../../services/auth/src/crypto/key-material.ts";
import { openKeyRing } from "../../../services/auth/src/domain/keys/key-ring.ts";
import { mintTokens } from "../../../services/auth/src/domain/token/mint-tokens.ts";
import { formatId, parseId } from "../../../services/auth/src/lib/type-id.ts";
import { createNewId } from "../../../services/auth/src/lib/uuid.ts";
import { openDatabase } from "../../../services/auth/src/store/postgres/database.ts";
import { createKeyStore } from "../../../services/auth/src/store/postgres/key-store.ts";
import { createSessionStore } from "../../../services/auth/src/store/postgres/session-store.ts";
import { AUDIENCE, ISSUER } from "../servers/server-process.ts";
import type { TwoServers } from "../servers/two-servers.ts";
import type { Tokens } from "./people.ts";

const hour = 3_600_000;

export interface OpenedSession extends Tokens {
  readonly id: string;
  /** Another access token, as from a refresh within the grace. */
  mint(): Promise<string>;
}

/** Opens sessions of the caller `web` as a login does, without hashing a password: some tests need thousands. */
export interface SessionSource extends AsyncDisposable {
  /** @param userId of a user whose password was never changed */
  open(userId: string): Promise<OpenedSession>;
}

/** Works with the servers' own keys and store; its access tokens live for an hour. */
export async function openSessionSource({
  databaseUrl,
  masterKey,
}: Pick<TwoServers, "databaseUrl" | "masterKey">): Promise<SessionSource> {
  const db = openDatabase({ url: databaseUrl, maxConnections: 4, name: "test", onFault: () => {} });
  const newId = createNewId({ now: Date.now, random: randomBytes });
  const keyRing = await openKeyRing({
    keys: createKeyStore(db),
    material: createKeyMaterial({ masterKeys: [Buffer.from(masterKey, "base64")] }),
    newId,
    signingAlg: "ES256",
    monotonicMs: () => performance.now(),
    pause: wait,
    onUnreadable(error) {
      throw error;
    },
  });
  const policy = {
    accessTtlMs: hour,
    sessionTtlMs: 24 * hour,
    idleTtlMs: 24 * hour,
    maxSessions: 100_000,
    refreshGraceMs: 30_000,
  };
  const sessions = createSessionStore(db, policy);
  return {
    async open(userId) {
      const [head] = await db.query<{ seq: number }>(
        "select seq::float8 as seq from postern.revocation_head",
      );
      const outcome = await sessions.open({
        id: newId(),
        userId: parseId("usr", userId) ?? "",
        passwordVersion: 1,
        rev: head?.seq ?? 0,
        caller: "web",
        clientId: "web",
        audience: [AUDIENCE],
        scope: [],
        amr: ["pwd"],
        refreshKey: keyRing.refreshKey.number,
        device: "",
        clientAddress: "",
        userAgent: "",
        requestId: "test",
      });
      if (outcome.kind !== "opened") throw new Error(`the session was not opened: ${outcome.kind}`);
      const { grant } = outcome;
      const mint = () =>
        mintTokens({ keyRing, issuer: ISSUER, policy, newId }, grant, { scope: [], audience: [AUDIENCE] });
      const { accessToken, refreshToken } = await mint();
      return {
        id: formatId("ses", grant.sessionId),
        accessToken,
        refreshToken,
        mint: async () => (await mint()).accessToken,
      };
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}
