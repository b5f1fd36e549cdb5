import { AuthError } from "../errors.ts";
import type { PublicJwk } from "../ports/key-store.ts";
import type { LogEntry, LogHead } from "../ports/revocation-log.ts";
import { createRevocationBroadcaster } from "./revocation-broadcaster.ts";
import { type WatchDeps, type WatchInput, type WatchUpdate, watchRevocations } from "./watch-revocations.ts";

const idOf = (seq: number, history = 0) =>
  `${String(history).padStart(8, "0")}-0000-7000-8000-${String(seq).padStart(12, "0")}`;
export const headAt = (seq: number, history = 0): LogHead => ({ seq, tail: idOf(seq, history) });
export const jwk = (kid: string): PublicJwk => ({ kid, alg: "ES256", use: "sig", kty: "EC" });

/** A server with a log in memory. The head is read when the test says so. */
export function open() {
  const clock = { ms: 0 };
  /** What Postgres holds. */
  const log = { entries: [] as LogEntry[], keysVersion: "k0", history: 0 };
  /** What this replica knows of the log. `size` is the length of an encoded entry in bytes. */
  const replica = { known: 0, size: 1, isLost: false };
  const keyRing = { version: "k0", publicKeys: [jwk("k0")] };
  const closing = new AbortController();
  const broadcaster = createRevocationBroadcaster(({ seq }) => new Uint8Array(replica.size).fill(seq));
  const head = () => {
    const last = log.entries.at(-1);
    return last === undefined ? headAt(0) : { seq: last.seq, tail: last.id };
  };
  const readOf = (entries: readonly LogEntry[]) => {
    replica.known = log.entries.length;
    return { head: head(), asOf: new Date(1_000_000 + clock.ms), keysVersion: log.keysVersion, entries };
  };
  const server = {
    clock,
    log,
    replica,
    keyRing,
    closing,
    broadcaster,
    revoke(count = 1, forgetAfterMs = 9e15): void {
      for (let left = count; left > 0; left -= 1) {
        const { seq, tail } = head();
        const target = { kind: "session", id: `s${seq + 1}` } as const;
        const id = idOf(seq + 1, log.history);
        log.entries.push({ seq: seq + 1, id, previousId: tail, target, forgetAfterMs });
      }
    },
    /** The head read was answered. */
    read: () => broadcaster.append(readOf(log.entries.slice(replica.known))),
    load: () => broadcaster.replace(readOf(log.entries)),
    /** The database loses the entries after the first `to`, and continues with another history. */
    rewind(to: number): void {
      log.entries.splice(to);
      log.history += 1;
    },
    /** Answers a call for a head read. */
    async readNow(): Promise<void> {
      if (replica.isLost) throw new AuthError("UNAVAILABLE");
      server.read();
    },
    watch(input: Partial<WatchInput> = {}, more: Partial<WatchDeps> = {}) {
      const updates = watchRevocations(
        {
          keyRing,
          monotonicMs: () => clock.ms,
          random: () => 0.5,
          closing: closing.signal,
          knownRevocations: { watch: broadcaster.join, readNow: () => server.readNow() as Promise<never> },
          ...more,
        },
        { after: undefined, authorize: async () => {}, signal: new AbortController().signal, ...input },
      );
      return follow(updates);
    },
  };
  server.load();
  return server;
}

/** Takes one update after the other. */
export function follow(updates: AsyncGenerator<WatchUpdate>) {
  let waiting: Promise<IteratorResult<WatchUpdate, unknown>> | undefined;
  async function next() {
    waiting ??= updates.next();
    const result = await waiting;
    waiting = undefined;
    return result.done === true ? undefined : shown(result.value);
  }
  return {
    updates,
    /** The next update. Undefined if the stream has ended. */
    next,
    /** Whether the stream waits because it has nothing to send. */
    async isQuiet(): Promise<boolean> {
      waiting ??= updates.next();
      const before = waiting;
      // `next` reports a rejection.
      return Promise.race([before.then(() => false).catch(() => false), settle().then(() => true)]);
    },
  };
}

function shown({ entries, keys, checkpoint, head }: WatchUpdate) {
  return { entries: [...entries], kids: keys?.map(({ kid }) => kid), checkpoint, seq: head.seq, head };
}

/** Waits until everything that needs no outside event has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
