import { StatusError } from "../../call/outcome.ts";
import { takeOldest } from "../../lib/take-oldest.ts";

/** Maximum number of watches of one connection: the number of services that a client can ask about. */
const maxPerConnection = 4;
const lifetimeMs = 60 * 60_000;

export interface HealthWatchesDeps {
  /** Maximum number of watches of all connections. One takes 36 KiB of the heap. */
  readonly max: number;
  /** Whether a caller's credential was accepted on a connection. */
  readonly isTrusted: (connection: object) => boolean;
  /** A random number from 0 to 1. */
  readonly random: () => number;
  /** Calls back after a time. @returns cancels the timer */
  readonly after: (ms: number, callBack: () => void) => () => void;
}

export interface HealthWatch extends Disposable {
  /** Aborted when the watch has to end, with the error for its client. */
  readonly ended: AbortSignal;
}

interface Watch {
  readonly connection: object;
  end(error: StatusError): void;
}

/** Limits the watches of health: every client may open them, and none ends by itself. */
export interface HealthWatches {
  /** @throws {StatusError} `resource_exhausted`: the connection, or the server, has too many */
  open(connection: object): HealthWatch;
}

/**
 * A watch ends after an hour, give or take a fifth. When the server has no more room, a new watch takes the place of the
 * oldest one on a connection without a credential. So clients without a credential cannot keep others out, and watches
 * on connections with a credential stay.
 */
export function createHealthWatches({ max, isTrusted, random, after }: HealthWatchesDeps): HealthWatches {
  const watches = new Set<Watch>();
  /** Watches that a new one may replace. */
  const untrusted = new Set<Watch>();
  const counts = new WeakMap<object, number>();
  return {
    open(connection) {
      const own = counts.get(connection) ?? 0;
      if (own >= maxPerConnection) throw full(`a connection may have ${maxPerConnection} watches`);
      if (watches.size >= max) {
        const oldest = takeOldest(untrusted, (other) => isTrusted(other.connection));
        if (oldest === undefined) throw full("the server has too many watches");
        oldest.end(full("a new watch took the slot: open another one later"));
      }
      const ended = new AbortController();
      const cancel = after(lifetimeMs * (0.8 + 0.4 * random()), () =>
        watch.end(new StatusError("unavailable", "the watch has reached its maximum age: open a new one")),
      );
      const watch = {
        connection,
        end(error: StatusError) {
          close();
          ended.abort(error);
        },
      };
      const close = () => {
        cancel();
        untrusted.delete(watch);
        if (!watches.delete(watch)) return;
        counts.set(connection, (counts.get(connection) ?? 0) - 1);
      };
      watches.add(watch);
      untrusted.add(watch);
      counts.set(connection, own + 1);
      return { ended: ended.signal, [Symbol.dispose]: close };
    },
  };
}

function full(message: string): StatusError {
  return new StatusError("resource_exhausted", message);
}
