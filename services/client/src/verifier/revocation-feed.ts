import { Code, ConnectError } from "@connectrpc/connect";
import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { ElapsedClock } from "../core/elapsed-clock.ts";
import { ownMember } from "../core/own-members.ts";
import { type KeySet, readKeySet } from "./key-set.ts";
import { LogCopy } from "./log-copy.ts";

/** What becomes of the feed of revocations, for logs and metrics. */
export type FeedEvent =
  /** Everything is known that was revoked. */
  | { readonly kind: "in_step" }
  /** The stream has ended, with an error or as streams do; it is opened again after a short rest. */
  | { readonly kind: "disconnected"; readonly error?: unknown }
  /** The log is read anew, for the server does not know where this reader was; until then what is known holds. */
  | { readonly kind: "started_over" }
  /** An entry came that this version of the library does not know: the feed is stale until the log was read anew. */
  | { readonly kind: "not_understood" }
  /** The keys are others now. */
  | { readonly kind: "keys"; readonly kids: readonly string[] };

export interface FeedDeps {
  readonly watch: (cursor: string, signal: AbortSignal) => AsyncIterable<WatchRevocationsResponse>;
  readonly clock: ElapsedClock;
  /** 0 to 1, evenly. */
  readonly random: () => number;
  readonly onEvent: (event: FeedEvent) => void;
}

/** The issuer's revocations and keys, kept up by a stream. */
export interface RevocationFeed extends AsyncDisposable {
  readonly log: Pick<LogCopy, "revokes" | "ageMs" | "maxStalenessMs" | "asOfMs" | "sequence" | "size">;
  /** The issuer's keys; undefined until they were told. */
  readonly keys: KeySet | undefined;
  /** Resolves once it is in step for the first time, or closed. */
  readonly started: Promise<void>;
}

/** A server says something every 5 s at least: one that does not is not there. */
const silenceMs = 6_000;
/** If the clock has jumped, a checkpoint that is older than this on arrival looks older than it is. */
const lateMs = 500;
/** How long it rests before it connects again, at most: the first time, and after many failures. */
const firstRestMs = 500;
const longestRestMs = 5_000;

export function openRevocationFeed(deps: FeedDeps): RevocationFeed {
  const { clock, random, onEvent } = deps;
  const log = new LogCopy();
  const closing = new AbortController();
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  let keys: KeySet | undefined;
  /** Streams in a row that were never in step. */
  let failures = 0;

  async function read(): Promise<void> {
    const ending = new AbortController();
    const watchdog = setTimeout(() => ending.abort(new Error("the server is silent")), silenceMs);
    let isInStep = false;
    log.begin(clock.nowMs());
    const jumpedMs = clock.jumpedMs;
    try {
      for await (const message of deps.watch(log.cursor, AbortSignal.any([closing.signal, ending.signal]))) {
        watchdog.refresh();
        const told = ownMember(message, "keys");
        if (told !== undefined) takeKeys(told.jwks);
        const wasBlind = log.isBlind;
        const isWhole = log.take(message, clock.nowMs());
        if (log.isBlind && !wasBlind) onEvent({ kind: "not_understood" });
        if (!isWhole || log.isBlind) continue;
        const ageMs = log.ageMs(clock.nowMs());
        // It took long to read the log, the database's clock was put back, or the stream lags: another one does not.
        if (ageMs > log.maxStalenessMs) throw new Error("the server's checkpoint is too old");
        // Until its end, this stream would look older than it is by the jump.
        if (clock.jumpedMs > jumpedMs && ageMs > lateMs)
          throw new Error("this machine was suspended, or its clock was set ahead");
        failures = 0;
        start();
        if (!isInStep) onEvent({ kind: "in_step" });
        isInStep = true;
      }
    } catch (error) {
      // Connect tells of an abort, not of why.
      const cause = ending.signal.aborted ? ending.signal.reason : error;
      // Where the fault is ours, the stream is still open.
      ending.abort(cause);
      throw cause;
    } finally {
      clearTimeout(watchdog);
    }
  }

  function takeKeys(jwks: string): void {
    const read = readKeySet(jwks, keys);
    // The one before may hold keys that are gone: nothing goes on as if there had been no other.
    if (read === undefined) throw new Error("the server's key set cannot be read");
    const isNews = read.size !== keys?.size || [...read].some(([kid, key]) => keys?.get(kid) !== key);
    keys = read;
    if (isNews) onEvent({ kind: "keys", kids: [...read.keys()] });
  }

  async function follow(): Promise<void> {
    for (;;) {
      const end: { readonly error?: unknown } = await read().then(
        () => ({}),
        (error: unknown) => ({ error }),
      );
      if (closing.signal.aborted) break;
      onEvent({ kind: "disconnected", ...end });
      if (isOfNoUse(ownMember(end, "error"))) {
        log.startOver();
        onEvent({ kind: "started_over" });
      }
      failures += 1;
      // At random: all others connect again as well.
      const atMostMs = Math.min(longestRestMs, firstRestMs * 2 ** Math.min(failures - 1, 8));
      await rest(random() * atMostMs, closing.signal);
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

/** Whether the server cannot go on from our cursor: it is too old, of another history, or of another version. */
function isOfNoUse(error: unknown): boolean {
  return (
    error instanceof ConnectError && (error.code === Code.OutOfRange || error.code === Code.InvalidArgument)
  );
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
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
