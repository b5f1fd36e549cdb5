import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  LogEntry,
  LogHead,
  RevocationLog,
  RevokeOutcome,
} from "../../services/auth/src/domain/ports/revocation-log.ts";
import { formatId } from "../../services/auth/src/lib/type-id.ts";
import { ofNobody, type SessionStoreFixture, type SessionStores } from "../support/postgres/session-bench.ts";
import { newId } from "../support/postgres/stores.ts";

const actor = { caller: "test", requestId: "r" };
const later = () => new Date(Date.now() + 24 * 3_600_000);

/** What every revocation log must do. */
export function revocationLogSuite(open: () => Promise<SessionStoreFixture>): void {
  let fixture: SessionStoreFixture;
  let log: RevocationLog;
  let other: SessionStores;
  let stores: SessionStores;

  beforeAll(async () => {
    fixture = await open();
    [stores, other] = fixture.both;
    log = stores.revocations;
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function newUser(): Promise<string> {
    const id = newId();
    const email = `u${id}@example.com`;
    const names = { email, emailKey: email, username: undefined, usernameKey: undefined };
    await stores.users.create({ id, ...names, roles: [], passwordHash: "hash" }, actor);
    return id;
  }

  async function newSession(clientId = "web"): Promise<string> {
    const userId = await newUser();
    const id = newId();
    const outcome = await stores.sessions.open({
      id,
      userId,
      passwordVersion: 1,
      rev: await log.readSeq(),
      caller: "gateway",
      clientId,
      audience: [],
      scope: [],
      amr: [],
      refreshKey: 1,
      device: "",
      clientAddress: "",
      userAgent: "",
      requestId: "",
    });
    expect(outcome.kind).toBe("opened");
    return id;
  }

  /** Runs `act` and gives what it added to the log. */
  async function added(act: () => Promise<unknown>): Promise<readonly LogEntry[]> {
    const { head } = await log.readAll();
    await act();
    return (await log.readAfter(head)).entries ?? [];
  }

  describe("reading", () => {
    test("a head that is known has no entries", async () => {
      await log.revokeEverything(actor);
      const { head } = await log.readAll();
      expect(await log.readAfter(head)).toMatchObject({ head, entries: undefined });
      expect(await log.readSeq()).toBe(head.seq);
    });

    test("what follows a known head links up with it, on both replicas alike", async () => {
      const { head } = await log.readAll();
      for (let i = 0; i < 5; i++) await log.revokeToken(newId(), later(), actor, ofNobody);
      const read = await log.readAfter(head);
      expect(read.entries).toHaveLength(5);
      expectLinked(head, read.entries ?? [], read.head);
      const again = await other.revocations.readAfter(head);
      const timeless = { now: undefined, asOf: undefined };
      expect({ ...again, ...timeless }).toEqual({ ...read, ...timeless });
      const all = await log.readAll();
      expect(all.head).toEqual(read.head);
      expect(all.entries.slice(-5)).toEqual(read.entries);
    });

    test("a read returns its start time, which is before its data was read, and the current time", async () => {
      const before = (await log.readAll()).now;
      const { asOf, now } = await log.readAfter((await log.readAll()).head);
      expect(asOf.getTime()).toBeGreaterThanOrEqual(before.getTime());
      expect(now.getTime()).toBeGreaterThanOrEqual(asOf.getTime());
    });

    test("a head above the log's end has no entries: the reader sees that it was rewound", async () => {
      const { head } = await log.readAll();
      const ahead = { seq: head.seq + 10, tail: newId() };
      expect(await log.readAfter(ahead)).toMatchObject({ head, entries: undefined });
    });
  });

  describe("revoking", () => {
    test("each kind of target is one entry, in the form that tokens carry", async () => {
      const tokenId = newId();
      const [sessionId, userId] = [await newSession(), await newUser()];
      const outcomes: RevokeOutcome[] = [];
      const entries = await added(async () => {
        outcomes.push(await log.revokeToken(tokenId, later(), actor, ofNobody));
        outcomes.push(await log.revokeSession(sessionId, undefined, actor));
        outcomes.push(await log.revokeUser(userId, actor));
        outcomes.push(await log.revokeClient("Web client", actor));
        outcomes.push(await log.revokeEverything(actor));
      });
      expect(entries.map(({ target }) => target)).toEqual([
        { kind: "token", id: formatId("tok", tokenId) },
        { kind: "session", id: formatId("ses", sessionId) },
        { kind: "user", id: formatId("usr", userId) },
        { kind: "client", id: "Web client" },
        { kind: "everything" },
      ]);
      expect(outcomes).toEqual(entries.map(({ seq }) => ({ kind: "revoked", seq })));
    });

    test("a token revoked twice is one entry, also where two replicas race", async () => {
      const [once, raced] = [newId(), newId()];
      const entries = await added(async () => {
        expect((await log.revokeToken(once, later(), actor, ofNobody)).kind).toBe("revoked");
        expect((await other.revocations.revokeToken(once, later(), actor, ofNobody)).kind).toBe("already");
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            (i % 2 === 0 ? log : other.revocations).revokeToken(raced, later(), actor, ofNobody),
          ),
        );
        expect(outcomes.filter(({ kind }) => kind === "revoked")).toHaveLength(1);
        expect(outcomes.filter(({ kind }) => kind === "already")).toHaveLength(19);
      });
      expect(entries).toHaveLength(2);
    });

    test("an expired token needs no entry", async () => {
      const entries = await added(async () => {
        const outcome = await log.revokeToken(newId(), new Date(0), actor, ofNobody);
        expect(outcome).toEqual({ kind: "already", seq: await log.readSeq() });
      });
      expect(entries).toEqual([]);
    });

    test("a token's entry is kept until the token's own end, and a little longer", async () => {
      const end = later();
      const [entry] = await added(() => log.revokeToken(newId(), end, actor, ofNobody));
      expect(entry?.forgetAfterMs).toBe(end.getTime() + 120_000);
    });

    test("a session revoked twice, or unknown, is one entry and none", async () => {
      const sessionId = await newSession();
      const entries = await added(async () => {
        expect((await log.revokeSession(sessionId, undefined, actor)).kind).toBe("revoked");
        const seq = await log.readSeq();
        expect(await log.revokeSession(sessionId, undefined, actor)).toEqual({ kind: "already", seq });
        expect(await log.revokeSession(newId(), undefined, actor)).toEqual({ kind: "already", seq });
      });
      expect(entries).toHaveLength(1);
    });

    test("a session of another client is foreign, and stays open", async () => {
      const sessionId = await newSession("web");
      const entries = await added(async () => {
        for (const clients of [new Set(["app", "web2"]), new Set<string>()]) {
          expect(await log.revokeSession(sessionId, clients, actor)).toEqual({ kind: "foreign" });
        }
      });
      expect(entries).toEqual([]);
      const clients = new Set(["app", "web"]);
      expect((await log.revokeSession(sessionId, clients, actor)).kind).toBe("revoked");
    });

    test("an unknown user needs no entry", async () => {
      const seq = await log.readSeq();
      expect(await log.revokeUser(newId(), actor)).toEqual({ kind: "already", seq });
    });

    test("a user, a client and everything are revoked again each time, because of logins in between", async () => {
      const userId = await newUser();
      const entries = await added(async () => {
        for (let i = 0; i < 2; i++) {
          await log.revokeUser(userId, actor);
          await log.revokeClient("app", actor);
          await log.revokeEverything(actor);
        }
      });
      expect(entries).toHaveLength(6);
    });

    test("each revocation leaves an audit event", async () => {
      const before = await fixture.auditEvents();
      await log.revokeToken(newId(), later(), actor, ofNobody);
      await log.revokeClient("audited", actor);
      await log.revokeEverything(actor);
      const events = (await fixture.auditEvents()).slice(before.length);
      expect(events).toEqual(["token_revoked", "client_revoked", "everything_revoked"]);
    });
  });

  test("many concurrent revocations on two replicas: without gaps, linked, each with its own number", async () => {
    const [userId, sessionIds] = [await newUser(), await Promise.all(Array.from({ length: 20 }, newIdle))];
    const known = (await log.readAll()).head;
    const acts = sessionIds.flatMap((sessionId, i) => {
      const one = i % 2 === 0 ? log : other.revocations;
      return [
        () => one.revokeSession(sessionId, undefined, actor),
        () => one.revokeToken(newId(), later(), actor, ofNobody),
        () => one.revokeUser(userId, actor),
        () => one.revokeClient("crowd", actor),
        () => one.revokeEverything(actor),
      ];
    });
    const outcomes = await Promise.all(acts.map((act) => act()));
    const read = await log.readAfter(known);
    const entries = read.entries ?? [];
    expectLinked(known, entries, read.head);
    const answered = outcomes.map((outcome) => (outcome.kind === "revoked" ? outcome.seq : undefined));
    expect(answered.sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(entries.map(({ seq }) => seq));
    expect(entries).toHaveLength(100);
  });

  test("a reader that reads all the while never misses an entry", async () => {
    const known = (await log.readAll()).head;
    let head = known;
    const seen: LogEntry[] = [];
    async function follow(): Promise<void> {
      const read = await other.revocations.readAfter(head);
      expectLinked(head, read.entries ?? [], read.head);
      seen.push(...(read.entries ?? []));
      head = read.head;
    }
    let isDone = false;
    const writing = Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        (i % 2 === 0 ? log : other.revocations).revokeToken(newId(), later(), actor, ofNobody),
      ),
    ).finally(() => {
      isDone = true;
    });
    while (!isDone) await follow();
    await writing;
    await follow();
    expect(seen).toHaveLength(100);
    expectLinked(known, seen, head);
  });

  describe("recover", () => {
    test("jumps beyond every number that the log can have had, and breaks with the known tail", async () => {
      const sessionId = await newSession();
      const known = (await log.readAll()).head;
      const { seq } = await log.recover(actor);
      expect(seq).toBeGreaterThan(known.seq + 1_000_000);
      expect(Number.isSafeInteger(seq)).toBe(true);
      const read = await log.readAfter(known);
      expect(read.head.seq).toBe(seq);
      expect(read.entries?.map(({ target }) => target.kind)).toEqual(["everything"]);
      expect(read.entries?.[0]?.previousId).not.toBe(known.tail);
      const refreshToken = { sessionId, refreshKey: 1, generation: 0 };
      expect((await stores.sessions.readRefreshToken(refreshToken)).kind).toBe("dead");
      expect(await fixture.auditEvents()).toContain("recovered");
    });

    test("goes on upwards, and the log with it", async () => {
      const first = await log.recover(actor);
      const second = await log.recover(actor);
      expect(second.seq).toBeGreaterThan(first.seq);
      expect(await log.revokeEverything(actor)).toEqual({ kind: "revoked", seq: second.seq + 1 });
    });
  });

  test("a rewind is noted in the audit", async () => {
    const { head } = await log.readAll();
    await log.recordRewind({ known: { seq: head.seq + 1, tail: newId() }, head });
    expect((await fixture.auditEvents()).at(-1)).toBe("log_rewound");
  });

  test("what can hit nothing any more is not loaded; where `everything` ended is", async () => {
    const tokenId = newId();
    await log.revokeToken(tokenId, later(), actor, ofNobody);
    const { seq } = (await log.revokeEverything(actor)) as { seq: number };
    await log.revokeClient("forgotten", actor);
    await fixture.advanceClock(2 * 3_600_000);
    const early = await log.readAll();
    expect(early.entries.map(({ target }) => target)).toContainEqual({ kind: "client", id: "forgotten" });
    await fixture.advanceClock(3_600_000);
    const { entries, head, everythingSeq } = await log.readAll();
    const targets = entries.map(({ target }) => target);
    expect(targets).toContainEqual({ kind: "token", id: formatId("tok", tokenId) });
    expect(targets).not.toContainEqual({ kind: "client", id: "forgotten" });
    expect(targets).not.toContainEqual({ kind: "everything" });
    expect(everythingSeq).toBe(seq);
    expect(head.seq).toBe(seq + 1);
  });

  const newIdle = () => newSession("web");
}

/** Each entry names the one before it, numbers have no gaps, and the last one is the head. */
function expectLinked(known: LogHead, entries: readonly LogEntry[], head: LogHead): void {
  const chain = [{ seq: known.seq, id: known.tail }, ...entries];
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => known.seq + 1 + i));
  expect(entries.map(({ previousId }) => previousId)).toEqual(chain.slice(0, -1).map(({ id }) => id));
  expect({ seq: chain.at(-1)?.seq, tail: chain.at(-1)?.id }).toEqual(head);
}
