import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WatchRevocationsResponseSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { describe, expect, test } from "vitest";
import { type CheckedClaims, LocalRevocationLog } from "./log.ts";

const base: CheckedClaims = {
  kid: "key_1",
  jti: "tok_1",
  sid: "ses_1",
  sub: "usr_1",
  client_id: "shop",
  rev: 5,
  // After all reads of the log in these tests.
  iat: 1_790_009_000,
};

/** The database's clock differs from ours. */
const databaseMs = 1_790_000_000_000;

type Target =
  | { case: "sessionId" | "userId" | "tokenId" | "clientId" | "keyId"; value: string }
  | { case: "everything"; value: boolean };

const session = (value: string): Target => ({ case: "sessionId", value });

interface Content {
  readonly entries?: readonly (readonly [
    sequence: number,
    target: Target | undefined,
    forgetAfterMs?: number | null,
  ])[];
  /** The checkpoint's time, by the database's clock, after `databaseMs`. */
  readonly asOf?: number;
  readonly sequence?: number;
  readonly cursor?: string;
}

function message({ entries = [], asOf, sequence = 0, cursor = "c" }: Content) {
  return create(WatchRevocationsResponseSchema, {
    revocations: entries.map(([number, target, forgetAfterMs = databaseMs + 1e9]) => ({
      sequence: BigInt(number),
      ...(target === undefined ? {} : { target }),
      ...(forgetAfterMs === null ? {} : { forgetAfter: timestampFromMs(forgetAfterMs) }),
    })),
    ...(asOf === undefined
      ? {}
      : {
          checkpoint: {
            asOf: timestampFromMs(databaseMs + asOf),
            maxStaleness: durationFromMs(10_000),
            sequence: BigInt(sequence),
          },
        }),
    cursor,
  });
}

/** A copy that was called at 100 and had its first checkpoint at 130. */
function whole(content: Content = {}): LocalRevocationLog {
  const log = new LocalRevocationLog();
  log.begin(100);
  log.add(message({ asOf: 0, ...content }), 130);
  return log;
}

const isOver = (log: LocalRevocationLog, sid: string) => log.revokes({ ...base, sid });

describe("what is known", () => {
  test("nothing at first, which is too old for any limit", () => {
    const log = new LocalRevocationLog();
    log.begin(0);
    expect([log.ageMs(0), log.maxStalenessMs, log.sequence, log.size, log.asOfMs]).toEqual([
      Infinity,
      0,
      0,
      0,
      0,
    ]);
    expect(log.revokes(base)).toBe(false);
  });

  test("is complete from the first checkpoint on", () => {
    const log = new LocalRevocationLog();
    log.begin(0);
    expect(log.add(message({ entries: [[1, session("ses_1")]], cursor: "c1" }), 1)).toBe(false);
    expect([log.ageMs(1), log.cursor, log.size]).toEqual([Infinity, "c1", 0]);
    expect(
      log.add(message({ entries: [[2, session("ses_2")]], asOf: 0, sequence: 2, cursor: "c2" }), 2),
    ).toBe(true);
    expect([log.cursor, log.size, log.sequence, log.maxStalenessMs]).toEqual(["c2", 2, 2, 10_000]);
    expect([isOver(log, "ses_1"), isOver(log, "ses_2"), isOver(log, "ses_3")]).toEqual([true, true, false]);
  });

  test.each<[Target, Partial<CheckedClaims>]>([
    [{ case: "tokenId", value: "tok_1" }, { jti: "tok_2" }],
    [{ case: "sessionId", value: "ses_1" }, { sid: "ses_2" }],
    [{ case: "keyId", value: "key_1" }, { kid: "key_2" }],
    [{ case: "userId", value: "usr_1" }, { sub: "usr_2" }],
    [{ case: "clientId", value: "shop" }, { client_id: "other" }],
    [{ case: "everything", value: true }, { rev: 9 }],
  ])("an entry revokes its target and nothing else: %j", (target, spared) => {
    const log = whole({ entries: [[9, target]], sequence: 9 });
    expect([log.revokes(base), log.revokes({ ...base, ...spared })]).toEqual([true, false]);
  });

  test("a later entry counts when it arrives, not only at the next checkpoint", () => {
    const log = whole({ sequence: 6 });
    expect(log.add(message({ entries: [[7, session("ses_1")]], cursor: "c7" }), 140)).toBe(false);
    expect([isOver(log, "ses_1"), log.sequence, log.cursor]).toEqual([true, 7, "c7"]);
    expect(log.ageMs(140)).toBe(whole().ageMs(140));
  });

  test("a repeated message changes nothing", () => {
    const log = whole({ entries: [[1, session("ses_1")]], sequence: 1 });
    const before = [log.size, log.sequence];
    log.add(message({ entries: [[1, session("ses_1")]], asOf: 0, sequence: 1 }), 150);
    expect([log.size, log.sequence]).toEqual(before);
  });

  test("a checkpoint without a time or without a limit is ignored", () => {
    const log = new LocalRevocationLog();
    log.begin(0);
    const bare = create(WatchRevocationsResponseSchema, { checkpoint: { sequence: 1n }, cursor: "c" });
    expect(log.add(bare, 1)).toBe(false);
    const unlimited = message({ asOf: 0 });
    delete unlimited.checkpoint?.maxStaleness;
    expect(log.add(unlimited, 1)).toBe(false);
    expect(log.ageMs(1)).toBe(Infinity);
  });
});

describe("age", () => {
  test("is counted from the call, because the server read the log after it", () => {
    const log = whole();
    // A millisecond is for the rounding of times.
    expect(log.ageMs(130)).toBe(31);
    expect(log.ageMs(1_130)).toBe(1_031);
  });

  test("is not less if the first checkpoint is late", () => {
    const log = new LocalRevocationLog();
    log.begin(100);
    log.add(message({ asOf: 0 }), 60_100);
    expect(log.ageMs(60_100)).toBe(60_001);
  });

  test("follows the database's time from one checkpoint to the next", () => {
    const log = whole();
    log.add(message({ asOf: 2_000 }), 2_131);
    expect(log.ageMs(2_131)).toBe(32);
  });

  test("is not less for a later checkpoint that is delayed or repeated", () => {
    const log = whole();
    log.add(message({ asOf: 2_000 }), 9_000);
    expect(log.ageMs(9_000)).toBe(6_901);
    log.add(message({ asOf: 2_000 }), 12_000);
    expect(log.ageMs(12_000)).toBe(9_901);
    log.add(message({ asOf: 0 }), 12_001);
    expect(log.ageMs(12_001)).toBe(11_902);
  });

  test("is not less for checkpoints of the previous stream", () => {
    const log = whole();
    log.begin(5_000);
    // As if the new server were behind: what it says is taken for as old as the call, and no older.
    log.add(message({ asOf: 1_000 }), 5_010);
    expect(log.ageMs(5_010)).toBe(11);
    log.add(message({ asOf: 500 }), 5_020);
    expect(log.ageMs(5_020)).toBe(521);
  });

  test("is not less than the message's, if the database's clock was set ahead", () => {
    const log = whole();
    log.add(message({ asOf: 3_600_000 }), 2_130);
    expect(log.ageMs(2_130)).toBe(0);
    // The next stream maps the clocks again. This message was 5 s on its way.
    log.add(message({ asOf: 3_602_000 }), 9_130);
    expect(log.ageMs(9_130)).toBe(5_000);
  });

  test("is too high if the database's clock was set back, until the next stream", () => {
    const log = whole();
    log.add(message({ asOf: -60_000 }), 2_130);
    expect(log.ageMs(2_130)).toBe(62_031);
    log.begin(3_000);
    log.add(message({ asOf: -59_000 }), 3_010);
    expect(log.ageMs(3_010)).toBe(11);
  });

  test("grows while there is no stream", () => {
    const log = whole();
    log.begin(8_000);
    expect(log.ageMs(9_000)).toBe(8_901);
  });
});

describe("starting over", () => {
  test("reads from the start, and uses the old copy until the new one is complete", () => {
    const log = whole({ entries: [[1, session("ses_1")]], sequence: 1, cursor: "old" });
    log.begin(1_000);
    expect(log.cursor).toBe("old");
    log.startOver();
    log.begin(2_000);
    expect(log.cursor).toBe("");
    log.add(message({ entries: [[1, session("ses_2")]], cursor: "new" }), 2_010);
    expect([isOver(log, "ses_1"), isOver(log, "ses_2"), log.sequence]).toEqual([true, false, 1]);
    expect(log.ageMs(2_010)).toBe(1_911);
    log.add(message({ asOf: 2_000, sequence: 1, cursor: "newer" }), 2_020);
    expect([isOver(log, "ses_1"), isOver(log, "ses_2")]).toEqual([false, true]);
    expect(log.ageMs(2_020)).toBe(21);
  });

  test("continues where the previous stream ended", () => {
    const log = new LocalRevocationLog();
    log.begin(0);
    log.add(message({ entries: [[1, session("ses_1")]], cursor: "c1" }), 1);
    log.begin(10);
    expect(log.cursor).toBe("c1");
    log.add(message({ entries: [[2, session("ses_2")]], asOf: 0, sequence: 2 }), 11);
    expect([isOver(log, "ses_1"), isOver(log, "ses_2")]).toEqual([true, true]);
  });

  test("a second time, it forgets the first", () => {
    const log = whole();
    log.startOver();
    log.begin(200);
    log.add(message({ entries: [[1, session("ses_1")]], cursor: "c1" }), 201);
    log.startOver();
    log.begin(300);
    log.add(message({ asOf: 300, cursor: "c2" }), 301);
    expect([isOver(log, "ses_1"), log.size]).toEqual([false, 0]);
  });

  test("N11 a restored log replaces the longer one", () => {
    const log = whole({ entries: [[8, session("ses_1")]], sequence: 8 });
    log.startOver();
    log.begin(200);
    log.add(message({ entries: [[3, session("ses_3")]], asOf: 300, sequence: 3 }), 201);
    expect([isOver(log, "ses_1"), isOver(log, "ses_3"), log.sequence]).toEqual([false, true, 3]);
  });
});

describe("N11 a history that the database has lost", () => {
  const rev = 9;
  const asOfSeconds = databaseMs / 1_000;

  test("a token issued before the log was read, with a number above its end, is revoked", () => {
    const log = whole({ sequence: 8 });
    expect(log.revokes({ ...base, rev, iat: asOfSeconds - 1 })).toBe(true);
    expect(log.revokes({ ...base, rev: 8, iat: asOfSeconds - 1 })).toBe(false);
  });

  test("a token that may have been issued after the log was read is not", () => {
    const log = whole({ sequence: 8 });
    expect(log.revokes({ ...base, rev, iat: asOfSeconds })).toBe(false);
    // Until the log has been read later, and still ends there.
    log.add(message({ asOf: 1_000, sequence: 8 }), 1_200);
    expect(log.revokes({ ...base, rev, iat: asOfSeconds })).toBe(true);
  });

  test("the log grows by entries as well as by checkpoints", () => {
    const log = whole({ sequence: 8 });
    log.add(message({ entries: [[9, session("ses_9")]] }), 140);
    expect(log.revokes({ ...base, rev, iat: asOfSeconds - 1 })).toBe(false);
    // Entries that were dead already when it was read are not in it: the checkpoint knows of them.
    expect(
      whole({ entries: [[1, session("ses_9")]], sequence: 9 }).revokes({
        ...base,
        rev,
        iat: asOfSeconds - 1,
      }),
    ).toBe(false);
  });
});

describe("an entry of an unknown kind", () => {
  test.each<[string, NonNullable<Content["entries"]>[number]]>([
    ["without a target that is known", [2, undefined]],
    ["without an end", [2, session("ses_2"), null]],
  ])("makes it stale: %s", (_, entry) => {
    const log = whole({ sequence: 1 });
    expect([log.hasUnknownEntry, log.ageMs(140)]).toEqual([false, 41]);
    log.add(message({ entries: [entry], asOf: 30, sequence: 2 }), 140);
    expect([log.hasUnknownEntry, log.ageMs(140)]).toEqual([true, Infinity]);
    log.add(message({ asOf: 2_000, sequence: 2 }), 2_140);
    expect(log.ageMs(2_140)).toBe(Infinity);
  });

  test("it continues with the entries that it knows", () => {
    const log = whole();
    log.add(
      message({
        entries: [
          [1, undefined],
          [2, session("ses_2")],
        ],
      }),
      140,
    );
    expect(isOver(log, "ses_2")).toBe(true);
  });

  test("the next stream reads from the start, and the old copy stays in use until then", () => {
    const log = whole({ entries: [[1, session("ses_1")]], sequence: 1 });
    log.add(message({ entries: [[2, undefined]], cursor: "c2" }), 140);
    log.begin(200);
    expect([log.cursor, log.ageMs(200), isOver(log, "ses_1")]).toEqual(["", Infinity, true]);
    log.add(
      message({
        entries: [
          [1, session("ses_1")],
          [2, undefined],
        ],
        asOf: 300,
        sequence: 2,
        cursor: "c2",
      }),
      210,
    );
    expect([log.ageMs(210), log.hasUnknownEntry]).toEqual([Infinity, true]);
    log.begin(400);
    log.add(message({ entries: [[1, session("ses_1")]], asOf: 500, sequence: 2, cursor: "c2" }), 410);
    expect([log.ageMs(410), log.hasUnknownEntry, isOver(log, "ses_1")]).toEqual([11, false, true]);
  });

  test("during a second reading, it does not change the old copy", () => {
    const log = whole({ entries: [[1, session("ses_1")]], sequence: 1 });
    log.startOver();
    log.begin(200);
    log.add(message({ entries: [[2, undefined]], cursor: "c2" }), 210);
    expect([log.hasUnknownEntry, log.ageMs(210)]).toEqual([true, 111]);
  });
});

describe("forgetting", () => {
  test("drops entries whose tokens have expired by the database's time, and no others", () => {
    const log = whole({ entries: [[1, session("ses_1"), databaseMs + 100_000]], sequence: 1 });
    log.add(message({ asOf: 100_000, sequence: 1 }), 100_130);
    expect([log.size, isOver(log, "ses_1")]).toEqual([1, true]);
    // Its clock may be ahead by an hour, and put right afterwards.
    log.add(message({ asOf: 3_700_000, sequence: 1 }), 3_700_130);
    expect([log.size, isOver(log, "ses_1")]).toEqual([1, true]);
    log.add(message({ asOf: 3_800_000, sequence: 1 }), 3_800_130);
    expect([log.size, isOver(log, "ses_1")]).toEqual([0, false]);
    expect(log.asOfMs).toBe(databaseMs + 3_800_000);
  });

  test("uses only the database's time", () => {
    const log = whole({ entries: [[1, session("ses_1"), databaseMs + 100_000]], sequence: 1 });
    log.add(message({ asOf: 99_000, sequence: 1 }), 9e9);
    expect(log.size).toBe(1);
  });
});
