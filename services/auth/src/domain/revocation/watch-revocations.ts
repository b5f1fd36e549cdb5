import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { PublicJwk } from "../ports/key-store.ts";
import type { LogHead } from "../ports/revocation-log.ts";
import type { EntryChunk } from "./entry-buffer.ts";
import type { Revocations } from "./open-revocations.ts";
import type { Watcher } from "./revocation-broadcaster.ts";

/** Maximum time that a reader may rely on a checkpoint, in milliseconds. */
export const maxStalenessMs = 10_000;
const checkpointEveryMs = 2_000;
/** Life of a stream, which varies by a fifth. Streams end so that new replicas get their share of them. */
const lifeMs = 30 * 60_000;
/** Time between two checks of the caller's permission to watch. */
const authorizeEveryMs = 30_000;
/** Maximum size of a message's entries. Clients of gRPC accept 4 MiB by default; a small message delays an urgent one less. */
const maxBytes = 64 * 1024;

export interface WatchDeps {
  readonly knownRevocations: Pick<Revocations, "watch" | "readNow">;
  readonly keyRing: Pick<KeyRing, "version" | "publicKeys">;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** 0 to 1, evenly distributed. */
  readonly random: () => number;
  /** Aborted when the server accepts no more calls. */
  readonly closing: AbortSignal;
}

export interface WatchInput {
  /** The last entry that the caller knows. Undefined: the caller knows none. */
  readonly after: LogHead | undefined;
  /** @throws if the caller may no longer watch */
  readonly authorize: () => Promise<unknown>;
  /** Aborted when the caller has hung up. */
  readonly signal: AbortSignal;
}

/** One message of the stream. */
export interface WatchUpdate {
  /** Encoded entries. */
  readonly entries: Uint8Array;
  /** All keys. Undefined if they have not changed since they were last sent. */
  readonly keys: readonly PublicJwk[] | undefined;
  /** Present if the stream has sent everything that the log had at that time. */
  readonly checkpoint: { readonly asOf: Date; readonly seq: number } | undefined;
  /** The last entry up to which the stream has sent everything. */
  readonly head: LogHead;
}

/**
 * Streams the log from an entry on, as it grows. The first checkpoint is from a head read that began after the call did.
 * So the reader knows, by its own clock, a time before which that read cannot have begun. Each checkpoint is from another
 * read and is sent with or after the keys of that read.
 *
 * @throws AuthError `CURSOR_TOO_OLD` if the entry is unknown, or if the caller read so slowly that entries it has not
 * received are no longer in memory; `UNAVAILABLE` if the first head read fails
 */
export async function* watchRevocations(deps: WatchDeps, input: WatchInput): AsyncGenerator<WatchUpdate> {
  const { keyRing, monotonicMs } = deps;
  const signal = AbortSignal.any([input.signal, deps.closing]);
  using watcher = deps.knownRevocations.watch();
  const { buffer } = watcher;
  await deps.knownRevocations.readNow();
  let known = input.after;
  let offset = known === undefined ? buffer.start : undefined;
  let keysVersion: string | undefined;
  let checkpointRead: Watcher["lastRead"];
  let checkpointMs = Number.NEGATIVE_INFINITY;
  let authorizedMs = monotonicMs();
  const endMs = authorizedMs + lifeMs * (0.8 + 0.4 * deps.random());
  /** The read for the next checkpoint. Undefined if none is due. */
  const dueRead = () =>
    monotonicMs() - checkpointMs >= checkpointEveryMs &&
    watcher.lastRead !== checkpointRead &&
    watcher.lastRead?.keysVersion === keyRing.version
      ? watcher.lastRead
      : undefined;
  const isAuthorizationDue = () => monotonicMs() >= Math.min(endMs, authorizedMs + authorizeEveryMs);
  while (!signal.aborted && monotonicMs() < endMs) {
    if (isAuthorizationDue()) {
      await authorizeAgain(input.authorize);
      authorizedMs = monotonicMs();
    }
    const { bytes: entries, head, end } = read(buffer, offset, known);
    const keys = keysVersion === keyRing.version ? undefined : keyRing.publicKeys;
    const due = end === buffer.end ? dueRead() : undefined;
    offset = end;
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
      () =>
        buffer.end !== end ||
        keyRing.version !== keysVersion ||
        dueRead() !== undefined ||
        isAuthorizationDue(),
      signal,
    );
  }
}

/**
 * Reads from the offset, or from the entry after `known` if the buffer was replaced in the meantime.
 * @throws AuthError `CURSOR_TOO_OLD`
 */
function read(buffer: Watcher["buffer"], offset: number | undefined, known: LogHead | undefined): EntryChunk {
  const chunk = offset === undefined ? undefined : buffer.read(offset, maxBytes);
  if (chunk !== undefined) return chunk;
  const found = known === undefined ? undefined : buffer.find(known);
  const again = found === undefined ? undefined : buffer.read(found, maxBytes);
  if (again === undefined) throw new AuthError("CURSOR_TOO_OLD");
  return again;
}

/** A storage fault does not end the stream: it says nothing about the caller's permission. */
async function authorizeAgain(authorize: () => Promise<unknown>): Promise<void> {
  try {
    await authorize();
  } catch (error) {
    if (!(error instanceof AuthError && error.reason === "UNAVAILABLE")) throw error;
  }
}
