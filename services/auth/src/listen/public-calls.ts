import { createFairQueue } from "../lib/fair-queue.ts";
import { takeOldest } from "../lib/take-oldest.ts";

/** A call, as far as its slot is concerned. */
export interface PublicCall {
  /** The socket, or the session over HTTP/2. */
  readonly connection: object;
  /** Starts the work. */
  start(): void;
  /** Answers that there is no room, or ends the call where its answer has begun. */
  refuse(): void;
  /** Resets the connection. */
  reset(): void;
}

/**
 * Bounds the memory and the time that callers without a credential can take: calls on connections on which no credential
 * was accepted yet.
 *
 * When every slot is used, a new call takes the slot of the oldest one, which is refused. An honest call takes
 * milliseconds, so holding calls open does not keep others out.
 *
 * Only a few calls start in one turn of the event loop, and connections take turns. So a burst of thousands holds up
 * neither calls with a credential nor the first call of a new connection.
 */
export interface PublicCalls {
  readonly slots: number;
  /** Calls that were refused since the start. */
  readonly refused: number;
  /**
   * Starts a call: at once where a credential was accepted on its connection, otherwise in its turn. It may be refused
   * before and after.
   * @returns to be called when the call has ended
   */
  open(call: PublicCall): () => void;
  /**
   * Refuses a call. As many refusals as there are slots may wait until their clients have read them; above that the
   * connection of the oldest is reset.
   * @returns to be called when the call has ended
   */
  refuse(call: PublicCall): () => void;
  /** A credential was accepted on the connection: its calls need no slot, neither those that are open nor later ones. */
  trust(connection: object): void;
  isTrusted(connection: object): boolean;
}

/** Calls that start in one turn of the event loop. Each takes up to a millisecond. */
const startsPerTurn = 32;
/** Calls that may wait for their start, for each slot. A waiting call takes a tenth of the memory of an open one. */
const waitingPerSlot = 4;

/** @param inNextTurn calls back in the next turn of the event loop */
export function createPublicCalls(
  slots: number,
  inNextTurn: (callBack: () => void) => void = setImmediate,
): PublicCalls {
  const trusted = new WeakSet<object>();
  const waiting = createFairQueue<PublicCall>();
  const open = new Set<PublicCall>();
  const unread = new Set<PublicCall>();
  const mostWaiting = slots * waitingPerSlot;
  let refused = 0;
  let isScheduled = false;
  const isTrusted = (connection: object) => trusted.has(connection);

  function schedule(): void {
    if (isScheduled || waiting.size === 0) return;
    isScheduled = true;
    inNextTurn(() => {
      isScheduled = false;
      for (let count = 0; count < startsPerTurn; count += 1) {
        const call = waiting.take();
        if (call !== undefined) start(call);
      }
      schedule();
    });
  }
  function start(call: PublicCall): void {
    if (!isTrusted(call.connection)) {
      if (open.size >= slots) freeSlot();
      open.add(call);
    }
    call.start();
  }
  function freeSlot(): void {
    const [oldest] = open;
    if (oldest === undefined) return;
    open.delete(oldest);
    if (isTrusted(oldest.connection)) return;
    refused += 1;
    refuse(oldest);
  }
  /** When too many calls wait, a connection may have its share of them only: all together have twice as many at most. */
  function mayWait({ connection }: PublicCall): boolean {
    return waiting.size < mostWaiting || waiting.count(connection) < Math.max(1, mostWaiting / waiting.keys);
  }
  function refuse(call: PublicCall): void {
    if (unread.size >= slots) takeOldest(unread, (other) => isTrusted(other.connection))?.reset();
    unread.add(call);
    call.refuse();
  }
  return {
    slots,
    get refused() {
      return refused;
    },
    open(call) {
      if (isTrusted(call.connection)) {
        call.start();
        return () => {};
      }
      if (mayWait(call)) {
        waiting.add(call.connection, call);
        schedule();
      } else {
        refused += 1;
        refuse(call);
      }
      return () => {
        waiting.delete(call.connection, call);
        open.delete(call);
        unread.delete(call);
      };
    },
    refuse(call) {
      refuse(call);
      return () => void unread.delete(call);
    },
    trust(connection) {
      if (isTrusted(connection)) return;
      trusted.add(connection);
      for (const call of waiting.takeAll(connection)) call.start();
    },
    isTrusted,
  };
}
