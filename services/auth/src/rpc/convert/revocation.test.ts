import { fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type WatchRevocationsResponse,
  WatchRevocationsResponseSchema,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEntry, RevocationTarget } from "../../domain/ports/revocation-log.ts";
import { EntryBuffer } from "../../domain/revocation/entry-buffer.ts";
import type { WatchUpdate } from "../../domain/revocation/watch-revocations.ts";
import { formatId } from "../../lib/type-id.ts";
import { encodeEntry, parseCursor, toWatchResponse } from "./revocation.ts";

const idOf = (seq: number) => `00000000-0000-7000-8000-${String(seq).padStart(12, "0")}`;
const known = formatId("ses", idOf(7));

const targets: readonly RevocationTarget[] = [
  { kind: "token", id: formatId("tok", idOf(7)) },
  { kind: "session", id: known },
  { kind: "user", id: formatId("usr", idOf(7)) },
  { kind: "client", id: "a client, ünd 日本 🔑" },
  { kind: "key", id: formatId("key", idOf(7)) },
  { kind: "everything" },
];

function entry(seq: number, target: RevocationTarget, forgetAfterMs = 1_700_000_000_123): LogEntry {
  return { seq, id: idOf(seq), previousId: idOf(seq - 1), target, forgetAfterMs };
}

function update(entries: readonly LogEntry[], more: Partial<WatchUpdate> = {}): WatchUpdate {
  const last = entries.at(-1);
  return {
    entries: Buffer.concat(entries.map(encodeEntry)),
    keys: undefined,
    checkpoint: undefined,
    head: { seq: last?.seq ?? 0, tail: last?.id ?? idOf(0) },
    ...more,
  };
}

/** What a reader makes of it, by each of the two forms. */
function readBoth(update: WatchUpdate): Record<"binary" | "json", WatchRevocationsResponse> {
  const schema = WatchRevocationsResponseSchema;
  return {
    binary: fromBinary(schema, toBinary(schema, toWatchResponse(update, "binary"))),
    json: fromJson(schema, JSON.parse(JSON.stringify(toJson(schema, toWatchResponse(update, "json"))))),
  };
}

describe("an update", () => {
  test("is the same in binary and in JSON, with every kind of target", () => {
    const { binary, json } = readBoth(
      update(
        targets.map((target, index) => entry(index + 1, target)),
        {
          keys: [{ kid: "key_1", alg: "ES256", use: "sig", kty: "EC", x: "…", y: "…" }],
          checkpoint: { asOf: new Date(1_700_000_000_456), seq: 6 },
        },
      ),
    );
    expect(json).toEqual(binary);
    expect(binary.revocations.map(({ target }) => target)).toEqual([
      { case: "tokenId", value: formatId("tok", idOf(7)) },
      { case: "sessionId", value: known },
      { case: "userId", value: formatId("usr", idOf(7)) },
      { case: "clientId", value: "a client, ünd 日本 🔑" },
      { case: "keyId", value: formatId("key", idOf(7)) },
      { case: "everything", value: true },
    ]);
    expect(binary.revocations.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n]);
    expect(binary.revocations[1]?.id).toBe(formatId("rev", idOf(2)));
    for (const { forgetAfter } of binary.revocations) {
      expect(forgetAfter && timestampMs(forgetAfter)).toBe(1_700_000_000_123);
    }
    expect(JSON.parse(binary.keys?.jwks ?? "")).toEqual({
      keys: [{ kid: "key_1", alg: "ES256", use: "sig", kty: "EC", x: "…", y: "…" }],
    });
    expect(binary.checkpoint).toMatchObject({
      asOf: timestampFromDate(new Date(1_700_000_000_456)),
      maxStaleness: { seconds: 10n, nanos: 0 },
      sequence: 6n,
    });
    // Nothing is left that a reader would have to pass by.
    expect(binary.$unknown).toBeUndefined();
  });

  test("without entries, keys and a checkpoint holds a cursor alone", () => {
    const { binary, json } = readBoth(update([]));
    expect(json).toEqual(binary);
    expect(binary).toMatchObject({ revocations: [], cursor: `${formatId("rev", idOf(0))}.0` });
    expect([binary.keys, binary.checkpoint]).toEqual([undefined, undefined]);
  });

  test("has the entries of every chunk of an entry buffer", () => {
    const buffer = new EntryBuffer(encodeEntry);
    const all = Array.from({ length: 3_000 }, (_, index) =>
      entry(index + 1, targets[index % targets.length] ?? { kind: "everything" }),
    );
    buffer.replace({ seq: 3_000, tail: idOf(3_000) }, all);
    const seqs: bigint[] = [];
    for (let offset = buffer.start; offset < buffer.end; ) {
      const { bytes, end, head } = buffer.read(offset, 5_000) ?? expect.unreachable();
      const { binary, json } = readBoth({ entries: bytes, keys: undefined, checkpoint: undefined, head });
      expect(json).toEqual(binary);
      seqs.push(...binary.revocations.map(({ sequence }) => sequence));
      expect(parseCursor(binary.cursor)).toEqual(head);
      offset = end;
    }
    expect(seqs).toEqual(all.map(({ seq }) => BigInt(seq)));
  });

  test("is the same for any entries", () => {
    const target = fc.oneof(
      fc.constantFrom(...targets),
      fc.record({
        kind: fc.constant("client" as const),
        id: fc.string({ unit: "grapheme", maxLength: 200 }),
      }),
    );
    const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
    const log = fc.array(fc.tuple(seq, target, time), { maxLength: 20 });
    fc.assert(
      fc.property(log, (rows) => {
        const entries = rows.map(([at, what, forgetAfterMs]) => ({
          seq: at,
          id: idOf(at % 1e12),
          previousId: idOf(0),
          target: what,
          forgetAfterMs,
        }));
        const { binary, json } = readBoth(update(entries));
        expect(json).toEqual(binary);
        expect(binary.revocations.map((one) => [Number(one.sequence), one.target.value])).toEqual(
          rows.map(([at, what]) => [at, what.kind === "everything" ? true : what.id]),
        );
      }),
    );
  });
});

describe("a cursor", () => {
  test("names an entry of any number", () => {
    for (const seq of [0, 1, 12, 1_790_000_000_123_456, Number.MAX_SAFE_INTEGER]) {
      const head = { seq, tail: idOf(5) };
      const { cursor } = readBoth(update([], { head })).json;
      expect(parseCursor(cursor)).toEqual(head);
      expect(cursor.length).toBeLessThan(128);
    }
  });

  test("that is empty names none", () => {
    expect(parseCursor("")).toBeUndefined();
  });

  const good = formatId("rev", idOf(5));
  test.each([
    "x",
    ".",
    good,
    `${good}.`,
    `.5`,
    `${good}.x`,
    `${good}.-1`,
    `${good}.1.2`,
    `${good}.05`,
    `${good}.1e3`,
    `${good}.12345678901234567`,
    ` ${good}.5`,
    `${good}.5\n`,
    `${good.toUpperCase()}.5`,
    `${formatId("ses", idOf(5))}.5`,
    `${good.slice(0, -1)}.5`,
    `rev_8${good.slice(5)}.5`,
    `${good}.${"1".repeat(60_000)}`,
  ])("%j is refused", (cursor) => {
    expect(() => parseCursor(cursor)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });
});
