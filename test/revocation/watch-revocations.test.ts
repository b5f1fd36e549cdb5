import { decodeProtectedHeader } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatId } from "../../services/auth/src/lib/type-id.ts";
import { answered } from "../support/clients/answers.ts";
import { kidsIn, type SeenEntry } from "../support/clients/revocation-reader.ts";
import { createWatchers, protocols, revokeClient, untilWatchers } from "../support/clients/watchers.ts";
import { createUser, login, PASSWORD } from "../support/people/people.ts";
import { poll } from "../support/poll.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { AUDIENCE, ISSUER, TOKENS } from "../support/servers/server-process.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

let two: TwoServers;
const watchers = createWatchers();
const { watch } = watchers;

afterEach(async () => {
  await watchers[Symbol.asyncDispose]();
  await Promise.all([two.a, two.b].map((replica) => untilWatchers(replica, 0)));
});

/** The log as Postgres has it. */
async function log(): Promise<SeenEntry[]> {
  const prefixes: Record<string, string> = { token: "tok", session: "ses", user: "usr", key: "key" };
  const rows = await two.query(
    "select seq::int, id, kind, coalesce(target_id::text, client_id) as target from postern.revocations order by seq",
  );
  return rows.map(({ seq, id, kind, target }) => {
    const prefix = prefixes[String(kind)];
    return {
      id: formatId("rev", String(id)),
      sequence: Number(seq),
      kind: kind === "everything" ? kind : `${kind}Id`,
      target: prefix === undefined ? String(target ?? true) : formatId(prefix, String(target)),
    };
  });
}

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.stop());

describe.each([
  ["Postgres alone", () => ({})],
  ["Redis as well", () => ({ POSTERN_REDIS_URL: redis.url })],
])("with %s", (_, settings) => {
  beforeAll(async () => {
    two = await startTwoServers(settings());
  });
  afterAll(() => two?.[Symbol.asyncDispose]());

  test("every kind of entry is sent by both replicas and every protocol, as in Postgres", {
    timeout: 90_000,
  }, async () => {
    const { a, b } = two;
    const user = await createUser(a.users);
    const before = await revokeClient(a, "before anybody watched");
    const readers = [a, b].flatMap((replica) => protocols.map((protocol) => watch(replica, { protocol })));
    await Promise.all(readers.map((reader) => reader.until(before)));

    const [one, other] = [await login(a.web, user.email), await login(b.web, user.email)];
    const revoke = (target: NonNullable<Parameters<typeof a.admin.revoke>[0]["target"]>) =>
      answered(() => b.admin.revoke({ target }));
    await revoke({ case: "sessionId", value: one.sessionId });
    await revoke({ case: "token", value: other.accessToken });
    await revoke({ case: "userId", value: user.id });
    await answered(() => a.users.setPassword({ userId: user.id, password: `${PASSWORD} again` }));
    await revokeClient(a, "ein Client, ünd 日本 🔑");
    const sequence = Number((await revoke({ case: "everything", value: true })).sequence);

    await Promise.all(readers.map((reader) => reader.until(sequence)));
    const all = await log();
    expect(all.slice(before).map(({ kind }) => kind)).toEqual([
      ...["sessionId", "tokenId", "userId", "userId", "clientId", "everything"],
    ]);
    for (const reader of readers) {
      expect(reader.entries).toEqual(all);
      expect(reader.cursor).toBe(`${all.at(-1)?.id}.${sequence}`);
      expect(reader.end).toBeUndefined();
    }
  });
});

describe("with two servers", () => {
  beforeAll(async () => {
    two = await startTwoServers();
  });
  afterAll(() => two?.[Symbol.asyncDispose]());

  const databaseMs = async () => {
    const [row] = await two.query("select extract(epoch from postern.now())::float8 * 1000 as ms");
    return Number(row?.["ms"]);
  };

  test("checkpoints come without any entry, each of a later read, by the database's clock", {
    timeout: 60_000,
  }, async () => {
    const before = await databaseMs();
    const { checkpoints } = watch(two.a);
    await poll("three checkpoints", 50_000, async () => (checkpoints.length >= 3 ? true : undefined));
    const times = checkpoints.map(({ asOfMs }) => asOfMs);
    expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
    // The first one is of a read that began after the call.
    expect(times[0]).toBeGreaterThanOrEqual(Math.floor(before));
    expect(times.at(-1)).toBeLessThanOrEqual(await databaseMs());
  });

  test("changed keys are sent, and a tainted key also as an entry", {
    timeout: 120_000,
  }, async () => {
    const { a, b } = two;
    const key = async (...args: string[]) => {
      const ended = await runPostern(["key", ...args, "--json"], {
        POSTERN_DATABASE_URL: two.databaseUrl,
        POSTERN_MASTER_KEY: two.masterKey,
        POSTERN_ISSUER: ISSUER,
      });
      expect([ended.code, ended.stderr]).toEqual([0, ""]);
      return JSON.parse(ended.stdout);
    };
    const readers = [watch(a), watch(b, { protocol: "connect" })];
    const setsTold = () =>
      Math.min(...readers.map(({ messages }) => messages.filter(({ keys }) => keys).length));
    /** Both readers have the set that both replicas publish: with these keys, and without those. */
    const result = (these: readonly string[], those: readonly string[] = []) =>
      poll("the keys are sent", 30_000, async () => {
        for (const { server } of [a, b]) {
          const kids = kidsIn(await (await fetch(`${server.http}/.well-known/jwks.json`)).text());
          for (const reader of readers) expect(reader.kids).toEqual(kids);
          expect(kids).toEqual(expect.arrayContaining([...these]));
          for (const kid of those) expect(kids).not.toContain(kid);
        }
        return true;
      });

    // A server also prepares keys itself.
    const {
      keys: [{ id: first }],
    } = await key("list", "--purpose", "signing");
    await result([first]);
    const { id: second } = await key("prepare", "--purpose", "signing", "--alg", "EdDSA");
    await result([first, second]);
    const before = setsTold();
    await key("activate", second, "--now");
    // The same keys in other states are another set.
    await poll("the set is sent again", 30_000, async () => (setsTold() > before ? true : undefined));
    const { accessToken } = await login(a.web, (await createUser(a.users)).email);
    expect(decodeProtectedHeader(accessToken).kid).toBe(second);
    await result([first, second]);

    const sequence = (await log()).length + 1;
    await key("taint", first);
    await Promise.all(readers.map((reader) => reader.until(sequence)));
    await result([second], [first]);
    const { id: third } = await key("prepare", "--purpose", "signing");
    await key("activate", third, "--now");
    await result([second, third], [first]);
    await key("remove", second, "--force");
    await result([third], [first, second]);
    for (const { entries, end } of readers) {
      expect(entries.at(-1)).toMatchObject({ kind: "keyId", target: first, sequence });
      expect(end).toBeUndefined();
    }
  });

  test("an administrator's access token may watch until it is revoked", async () => {
    const identifier = "root@postern.test";
    const { user } = await answered(() =>
      two.a.users.createUser({ email: identifier, password: PASSWORD, roles: ["admin"] }),
    );
    const audience = [AUDIENCE, `${ISSUER}/postern`];
    const { outcome } = await answered(() => two.a.admin.login({ identifier, password: PASSWORD, audience }));
    const credential = outcome.value?.tokens?.accessToken ?? "";
    const reader = watch(two.b, { credential });
    await reader.until(0);
    const target = { case: "userId", value: user?.id ?? "" } as const;
    const { sequence } = await answered(() => two.a.admin.revoke({ target }));
    await reader.until(Number(sequence));
    expect(await watch(two.b, { credential }).ended).toBe("INVALID_CLIENT");
    expect(await watch(two.b, { credential: TOKENS.web }).ended).toBe("NOT_PERMITTED");
  });

  test.each([
    ["x", "INVALID_REQUEST"],
    [`rev_${"0".repeat(26)}`, "INVALID_REQUEST"],
    [`rev_${"0".repeat(26)}.1x`, "INVALID_REQUEST"],
    [`rev_${"0".repeat(26)}.1`, "CURSOR_TOO_OLD"],
  ])("the cursor %s is %s", async (cursor, reason) => {
    for (const protocol of protocols) {
      expect(await watch(two.a, { protocol, cursor }).ended).toBe(reason);
    }
  });
});
