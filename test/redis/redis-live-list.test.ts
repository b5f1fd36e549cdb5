import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseRedisUrl } from "../../services/auth/src/config/parsers/redis-url.ts";
import { createMac } from "../../services/auth/src/crypto/mac.ts";
import type { LiveList } from "../../services/auth/src/domain/ports/live-list.ts";
import type { LogEntry } from "../../services/auth/src/domain/ports/revocation-log.ts";
import { keys } from "../../services/auth/src/store/redis/keys.ts";
import { createTail, openLiveList } from "../../services/auth/src/store/redis/live-list.ts";
import { openRedis } from "../../services/auth/src/store/redis/redis.ts";
import { poll } from "../support/poll.ts";
import { type RedisServer, startRedis } from "../support/redis/redis.ts";

const origin = { seq: 0, tail: "t0" };
function entry(seq: number): LogEntry {
  const target = { kind: "session", id: `s${seq}` } as const;
  return { seq, id: `t${seq}`, previousId: `t${seq - 1}`, target, forgetAfterMs: 9e15 };
}

describe("the tail", () => {
  test("gives what follows a head one by one, and stops at a gap", () => {
    const tail = createTail(10);
    for (const seq of [2, 1, 4]) expect(tail.add(entry(seq))).toBe(true);
    expect(tail.add(entry(1))).toBe(false);
    expect(tail.after(origin)).toEqual([entry(1), entry(2)]);
    expect(tail.after({ seq: 2, tail: "t2" })).toEqual([]);
    tail.add(entry(3));
    expect(tail.after(origin)).toEqual([1, 2, 3, 4].map(entry));
  });

  test("knows no entry of another history, nor one numbered out of order", () => {
    const tail = createTail(10);
    tail.add({ ...entry(1), previousId: "other" });
    tail.add({ ...entry(3), previousId: "t0" });
    expect(tail.after(origin)).toEqual([]);
  });

  test("forgets the oldest", () => {
    const tail = createTail(2);
    for (const seq of [1, 2, 3]) tail.add(entry(seq));
    expect(tail.after(origin)).toEqual([]);
    expect(tail.after({ seq: 1, tail: "t1" })).toEqual([entry(2), entry(3)]);
  });
});

describe("two replicas", () => {
  let server: RedisServer;
  const opened = new AsyncDisposableStack();
  const masterKey = randomBytes(32);
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await opened.disposeAsync();
    await server.stop();
  });
  afterEach(() => server.command("DEL", keys.liveList));

  /** A replica that follows: one that has begun to wait shows among the server's blocked clients. */
  async function openReplica(key = masterKey) {
    const target = parseRedisUrl(server.url);
    const state = { woken: 0 };
    const redis = opened.use(
      openRedis({ target, monotonicMs: () => performance.now(), onChange: () => {}, onFault: () => {} }),
    );
    const blocked = await blockedClients();
    const list = opened.use(
      openLiveList({
        redis,
        target,
        mac: createMac([key], "live list"),
        onFault: () => {},
      }),
    );
    list.subscribe(() => {
      state.woken += 1;
    });
    await poll("the replica follows", 10_000, async () =>
      (await blockedClients()) > blocked && redis.isUp ? true : undefined,
    );
    return { list, state };
  }
  async function blockedClients(): Promise<number> {
    return Number(/blocked_clients:(\d+)/.exec(String(await server.command("INFO", "clients")))?.[1]);
  }
  const until = (list: LiveList, seq: number) =>
    poll(`entry ${seq} has come`, 10_000, async () =>
      list.after({ seq: seq - 1, tail: `t${seq - 1}` }).length > 0 ? true : undefined,
    );

  test("what one offers, the other has, and is woken by", async () => {
    const [one, other] = [await openReplica(), await openReplica()];
    one.list.offer([entry(1), entry(2)]);
    await until(other.list, 2);
    expect(other.list.after(origin)).toEqual([entry(1), entry(2)]);
    expect(other.state.woken).toBeGreaterThan(0);
  });

  test("an attacker's entries are ignored: forged, altered, signed with another key, malformed", async () => {
    const [one, other, strange] = [
      await openReplica(),
      await openReplica(),
      await openReplica(randomBytes(32)),
    ];
    const text = JSON.stringify(entry(11));
    const mac = createMac([masterKey], "live list").sign(text);
    const altered = text.replace("s11", "s99");
    const forged: readonly (readonly string[])[] = [
      ["entry", text],
      ["entry", text, "mac", ""],
      ["entry", altered, "mac", mac],
      ["mac", mac, "entry", `${text} `],
      ["entry", "{", "mac", mac],
      ["x", "y"],
      ["entry", text, "mac", createMac([masterKey], "user names").sign(text)],
    ];
    for (const fields of forged) await server.command("XADD", keys.liveList, "*", ...fields);
    strange.list.offer([entry(11)]);
    one.list.offer([entry(12)]);
    await until(other.list, 12);
    expect(other.list.after({ seq: 10, tail: "t10" })).toEqual([]);
    // The same with its own mark is taken.
    await server.command("XADD", keys.liveList, "*", "entry", text, "mac", mac);
    await until(other.list, 11);
  });

  test("M03 M09: flushed, or something else under the key, or back from a restart, it goes on", async () => {
    const [one, other] = [await openReplica(), await openReplica()];
    await server.command("FLUSHALL");
    await server.command("SET", keys.liveList, "poison");
    one.list.offer([entry(21)]);
    await server.command("DEL", keys.liveList);
    await server.kill9();
    await server.restart();
    let seq = 22;
    await poll("entries come again", 30_000, async () => {
      one.list.offer([entry(seq)]);
      seq += 1;
      return other.list.after({ seq: seq - 3, tail: `t${seq - 3}` }).length > 0 ? true : undefined;
    });
  });
});
