import { Code, ConnectError } from "@connectrpc/connect";
import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { ElapsedClock } from "../core/elapsed-clock.ts";
import { ownMember } from "../core/own-members.ts";
import { type KeySet, readKeySet } from "./key-set.ts";
import { LocalRevocationLog } from "./log.ts";

/** What happens to the stream of revocations, for logs and metrics. */
export type FeedEvent =
  /** All revocations are known. */
  | { readonly kind: "synced" }
  /** The stream has ended, with an error or normally. It is opened again after a short delay. */
  | { readonly kind: "disconnected"; readonly error?: unknown }
  /** The log is read again from the start, because the server does not know the cursor. What is known stays in use until then. */
  | { readonly kind: "started_over" }
  /** An entry of a kind that this version of the library does not know. The verifier is stale until the log is read again. */
  | { readonly kind: "not_understood" }
  /** The keys have changed. */
  | { readonly kind: "keys"; readonly kids: readonly string[] };

export interface FeedDeps {
  readonly watch: (cursor: string, signal: AbortSignal) => AsyncIterable<WatchRevocationsResponse>;
  readonly clock: ElapsedClock;
  /** A random number from 0 to 1. */
  readonly random: () => number;
  readonly onEvent: (event: FeedEvent) => void;
}

/** The issuer's revocations and keys, kept up to date by a stream. */
export interface RevocationStream extends AsyncDisposable {
  readonly log: Pick<
    LocalRevocationLog,
    "revokes" | "ageMs" | "maxStalenessMs" | "asOfMs" | "sequence" | "size"
  >;
  /** The issuer's keys; undefined before they were received. */
  readonly keys: KeySet | undefined;
  /** Resolves once all revocations are known for the first time, or the stream is closed. */
  readonly started: Promise<void>;
}

/** Maximum time between two messages. A server sends one at least every 5 s. */
const silenceTimeoutMs = 6_000;
/** If the clock has jumped, a checkpoint that is older than this on arrival looks older than it is. */
const lateMs = 500;
/** Maximum delay before a reconnect: the first one, and after many failures. */
const firstRetryDelayMs = 500;
const maxRetryDelayMs = 5_000;

export function openRevocationStream(deps: FeedDeps): RevocationStream {
  const { clock, random, onEvent } = deps;
  const log = new LocalRevocationLog();
  const closing = new AbortController();
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  let keys: KeySet | undefined;
  /** Consecutive streams without a checkpoint. */
  let failures = 0;

  async function read(): Promise<void> {
    const ending = new AbortController();
    const watchdog = setTimeout(() => ending.abort(new Error("the server sent nothing")), silenceTimeoutMs);
    let isSynced = false;
    log.begin(clock.nowMs());
    const jumpedMs = clock.jumpedMs;
    try {
      for await (const message of deps.watch(log.cursor, AbortSignal.any([closing.signal, ending.signal]))) {
        watchdog.refresh();
        const received = ownMember(message, "keys");
        if (received !== undefined) replaceKeys(received.jwks);
        const hadUnknownEntry = log.hasUnknownEntry;
        const isComplete = log.add(message, clock.nowMs());
        if (log.hasUnknownEntry && !hadUnknownEntry) onEvent({ kind: "not_understood" });
        if (!isComplete || log.hasUnknownEntry) continue;
        const ageMs = log.ageMs(clock.nowMs());
        // Reading the log took long, the database's clock was set back, or the stream lags. A new stream does not.
        if (ageMs > log.maxStalenessMs) throw new Error("the server's checkpoint is too old");
        // This stream would look older than it is, by the jump, until its end.
        if (clock.jumpedMs > jumpedMs && ageMs > lateMs)
          throw new Error("this machine was suspended, or its clock was set ahead");
        failures = 0;
        start();
        if (!isSynced) onEvent({ kind: "synced" });
        isSynced = true;
      }
    } catch (error) {
      // Connect reports an abort without its reason.
      const cause = ending.signal.aborted ? ending.signal.reason : error;
      // If this reader failed, the stream is still open.
      ending.abort(cause);
      throw cause;
    } finally {
      clearTimeout(watchdog);
    }
  }

  function replaceKeys(jwks: string): void {
    const read = readKeySet(jwks, keys);
    // The earlier set may have keys that are gone, so it must not stay in use.
    if (read === undefined) throw new Error("the server's key set cannot be read");
    const hasChanged = read.size !== keys?.size || [...read].some(([kid, key]) => keys?.get(kid) !== key);
    keys = read;
    if (hasChanged) onEvent({ kind: "keys", kids: [...read.keys()] });
  }

  async function follow(): Promise<void> {
    for (;;) {
      const end: { readonly error?: unknown } = await read().then(
        () => ({}),
        (error: unknown) => ({ error }),
      );
      if (closing.signal.aborted) break;
      onEvent({ kind: "disconnected", ...end });
      if (isUselessCursor(ownMember(end, "error"))) {
        log.startOver();
        onEvent({ kind: "started_over" });
      }
      failures += 1;
      // At random, because all other clients reconnect too.
      const maxDelayMs = Math.min(maxRetryDelayMs, firstRetryDelayMs * 2 ** Math.min(failures - 1, 8));
      await delay(random() * maxDelayMs, closing.signal);
      if (closing.signal.aborted) break;
    }
    start();
  }
  const following = follow();

  return {
    log,
    get keys() {
      return keys;
    },
    started,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await following;
    },
  };
}

/** Whether the server does not accept the cursor: it is too old, of another history, or of another version. */
function isUselessCursor(error: unknown): boolean {
  return (
    error instanceof ConnectError && (error.code === Code.OutOfRange || error.code === Code.InvalidArgument)
  );
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
