import { PosternError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { PublicJwk } from "../ports/key-store.ts";
import type { LogHead } from "../ports/revocation-log.ts";
import type { Place, Stretch } from "./entry-ring.ts";
import type { ReadIndex } from "./read-index.ts";
import type { RevocationFeed } from "./revocation-feed.ts";

/** How long a reader may go on without another checkpoint, in milliseconds. */
export const maxStalenessMs = 10_000;
const checkpointEveryMs = 2_000;
/** A stream lives for half an hour, give or take a fifth: so that replicas which were added get their share. */
const lifeMs = 30 * 60_000;
/** How often the caller's right to watch is looked at again. */
const authorizeEveryMs = 30_000;
/** Clients of gRPC take no message above 4 MiB by default; a small one is not in the way of what is urgent. */
const atMostBytes = 64 * 1024;

export interface WatchDeps {
  readonly feed: Pick<RevocationFeed, "ring" | "lastRead" | "join">;
  readonly readIndex: Pick<ReadIndex, "readHead">;
  readonly keyRing: Pick<KeyRing, "version" | "publicKeys">;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** 0 to 1, evenly. */
  readonly random: () => number;
  /** Aborted when the server takes no more calls. */
  readonly closing: AbortSignal;
}

export interface WatchInput {
  /** The last entry that the caller knows; undefined: none. */
  readonly after: LogHead | undefined;
  /** @throws where the caller may watch no longer */
  readonly authorize: () => Promise<unknown>;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
}

/** What is sent together. */
export interface WatchUpdate {
  /** Encoded entries. */
  readonly entries: Uint8Array;
  /** All keys, where they are not those that were sent before. */
  readonly keys: readonly PublicJwk[] | undefined;
  /** Present where all is sent that the log had at that time. */
  readonly checkpoint: { readonly asOf: Date; readonly seq: number } | undefined;
  /** Where this ends. */
  readonly head: LogHead;
}

/**
 * The log from an entry on, as it grows. The first checkpoint is from a read of the head that began after the call did:
 * so a reader knows, by its own clock, an hour before which that read cannot have been. Each is from another read, and
 * comes with or after the keys that there were then.
 *
 * @throws PosternError `CURSOR_TOO_OLD` where that entry is unknown, and where the caller was so slow that what it has
 * not taken is forgotten; `UNAVAILABLE` where the head cannot be read at first
 */
export async function* watchRevocations(deps: WatchDeps, input: WatchInput): AsyncGenerator<WatchUpdate> {
  const { feed, keyRing, monotonicMs } = deps;
  const { ring } = feed;
  const signal = AbortSignal.any([input.signal, deps.closing]);
  using watcher = feed.join();
  await deps.readIndex.readHead();
  let known = input.after;
  let place = known === undefined ? ring.start : undefined;
  let keysVersion: string | undefined;
  let checkpointRead: RevocationFeed["lastRead"];
  let checkpointMs = Number.NEGATIVE_INFINITY;
  let authorizedMs = monotonicMs();
  const endMs = authorizedMs + lifeMs * (0.8 + 0.4 * deps.random());
  /** What a checkpoint can be of, where one is due. */
  const dueRead = () =>
    monotonicMs() - checkpointMs >= checkpointEveryMs &&
    feed.lastRead !== checkpointRead &&
    feed.lastRead?.keysVersion === keyRing.version
      ? feed.lastRead
      : undefined;
  const isLookDue = () => monotonicMs() >= Math.min(endMs, authorizedMs + authorizeEveryMs);
  while (!signal.aborted && monotonicMs() < endMs) {
    if (isLookDue()) {
      await stillAuthorized(input.authorize);
      authorizedMs = monotonicMs();
    }
    const { bytes: entries, head, end } = read(ring, place, known);
    const keys = keysVersion === keyRing.version ? undefined : keyRing.publicKeys;
    const due = end === ring.end ? dueRead() : undefined;
    place = end;
    known = head;
    keysVersion = keyRing.version;
    if (due !== undefined) {
      checkpointRead = due;
      checkpointMs = monotonicMs();
    }
    if (entries.length > 0 || keys !== undefined || due !== undefined) {
      yield { entries, keys, checkpoint: due && { asOf: due.asOf, seq: head.seq }, head };
    }
    await watcher.until(
      () => ring.end !== end || keyRing.version !== keysVersion || dueRead() !== undefined || isLookDue(),
      signal,
    );
  }
}

/** @param place where the ring has not begun anew since, what follows `known` */
function read(
  ring: WatchDeps["feed"]["ring"],
  place: Place | undefined,
  known: LogHead | undefined,
): Stretch {
  const stretch = place === undefined ? undefined : ring.read(place, atMostBytes);
  if (stretch !== undefined) return stretch;
  const found = known === undefined ? undefined : ring.find(known);
  const again = found === undefined ? undefined : ring.read(found, atMostBytes);
  if (again === undefined) throw new PosternError("CURSOR_TOO_OLD");
  return again;
}

/** A storage fault is no verdict. */
async function stillAuthorized(authorize: () => Promise<unknown>): Promise<void> {
  try {
    await authorize();
  } catch (error) {
    if (!(error instanceof PosternError && error.reason === "UNAVAILABLE")) throw error;
  }
}
