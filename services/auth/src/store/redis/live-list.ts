import { setTimeout as wait } from "node:timers/promises";
import type { LiveList } from "../../domain/ports/live-list.ts";
import type { Mac } from "../../domain/ports/mac.ts";
import type { RedisTarget } from "../../domain/ports/redis-target.ts";
import type { LogEntry, LogHead } from "../../domain/ports/revocation-log.ts";
import { within } from "../../lib/within.ts";
import { keys, liveListLength } from "./keys.ts";
import { codeOf, isRefusal, type Redis, reconnect } from "./redis.ts";
import { connectRedis } from "./redis-client.ts";

/** How long the server holds a read that finds nothing. */
const blockMs = 1_000;
/** Maximum time of a command, with the time that the server holds a read. */
const timeoutMs = 2_000;
const retryMs = 1_000;
/** Maximum number of entries in one read, and in one offer. A replica that misses more reads Postgres. */
const maxEntries = 256;
/** Maximum number of characters of an entry. Ours have about 350. */
const maxEntryLength = 1_024;

export interface LiveListDeps {
  readonly redis: Redis;
  readonly target: RedisTarget;
  readonly mac: Mac;
  /** Called with the name of a command that Redis refused. */
  readonly onFault: (reason: string) => void;
}

/** Follows the live list on a connection of its own, because a read that waits blocks the connection. */
export function openLiveList({ redis, target, mac, onFault }: LiveListDeps): LiveList & AsyncDisposable {
  const entries = createTail(liveListLength);
  const listeners = new Set<() => void>();
  const client = connectRedis(target, "postern live list");
  client.on("error", () => {});
  const stopping = new AbortController();
  /** The last message that was read; undefined: start at the end. Earlier entries are read from Postgres. */
  let last: string | undefined;

  async function send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return within(timeoutMs, "answer", client.call(command, ...args)).catch((error: unknown) => {
      if (isRefusal(error)) onFault(`${command}: ${codeOf(error)}`);
      throw error;
    });
  }

  async function findEnd(): Promise<string> {
    const [newest] = messagesOf(await send("XREVRANGE", keys.liveList, "+", "-", "COUNT", 1));
    return newest?.id ?? "0";
  }

  async function read(): Promise<void> {
    last ??= await findEnd();
    const answer = await send("XREAD", "COUNT", maxEntries, "BLOCK", blockMs, "STREAMS", keys.liveList, last);
    const [[, messages] = []] = (answer ?? []) as [unknown, unknown][];
    let isNew = false;
    for (const { id, fields } of messagesOf(messages)) {
      last = id;
      const entry = parse(mac, fields);
      if (entry !== undefined) isNew = entries.add(entry) || isNew;
    }
    if (!isNew) return;
    for (const listener of listeners) listener();
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await read();
      } catch {
        reconnect(client);
        // Another server may have lower message IDs. Missed entries are read from Postgres.
        last = undefined;
        await wait(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  }
  const following = follow();

  return {
    after: (head) => entries.after(head),
    offer(offered) {
      for (const entry of offered.slice(-maxEntries).filter(entries.add)) {
        const text = JSON.stringify(entry);
        redis
          .send(
            "XADD",
            keys.liveList,
            "MAXLEN",
            "~",
            liveListLength,
            "*",
            "entry",
            text,
            "mac",
            mac.sign(text),
          )
          .catch(() => {});
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return {
        [Symbol.dispose]() {
          listeners.delete(listener);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      client.disconnect();
      await following;
    },
  };
}

/** The newest entries, by the ID of the entry before. An entry of a lost history therefore follows no head. */
export function createTail(length: number) {
  const byPredecessor = new Map<string, LogEntry>();
  return {
    /** @returns whether the entry is new */
    add(entry: LogEntry): boolean {
      if (byPredecessor.get(entry.previousId)?.id === entry.id) return false;
      byPredecessor.set(entry.previousId, entry);
      if (byPredecessor.size > length) byPredecessor.delete(byPredecessor.keys().next().value ?? "");
      return true;
    },
    after(head: LogHead): LogEntry[] {
      const found: LogEntry[] = [];
      let { seq, tail } = head;
      for (;;) {
        const next = byPredecessor.get(tail);
        if (next === undefined || next.seq !== seq + 1) return found;
        found.push(next);
        ({ seq, id: tail } = next);
      }
    },
  };
}

interface Message {
  readonly id: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** A stream's messages in Redis's form: `[[id, [field, value, …]], …]`. */
function messagesOf(answer: unknown): Message[] {
  const messages = (answer ?? []) as readonly (readonly [string, readonly string[]])[];
  return messages.map(([id, words]) => ({
    id,
    fields: new Map(
      words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? ""] as const] : [])),
    ),
  }));
}

/** @returns undefined for an entry that no replica has written */
function parse(mac: Mac, fields: ReadonlyMap<string, string>): LogEntry | undefined {
  const text = fields.get("entry") ?? "";
  // Otherwise an attacker who can write to Redis could make us digest hundreds of megabytes.
  if (text.length > maxEntryLength) return undefined;
  if (!mac.verify(text, fields.get("mac") ?? "")) return undefined;
  return JSON.parse(text) as LogEntry;
}
