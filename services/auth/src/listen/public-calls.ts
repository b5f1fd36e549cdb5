import { createFairQueue } from "../lib/fair-queue.ts";
import { takeOldest } from "../lib/take-oldest.ts";

/** A call that needs a slot. */
export interface PublicCall {
  /** The socket, or the session over HTTP/2. */
  readonly connection: object;
  /** Starts the work. */
  start(): void;
  /** Answers that the server is overloaded, or ends the call if its answer has begun. */
  refuse(): void;
  /** Resets the connection. */
  reset(): void;
}

/**
 * Limits the memory and the time that callers without a credential can take: calls on connections on which no credential
 * was accepted yet.
 *
 * When every slot is used, a new call takes the slot of the oldest one, which is refused. A normal call takes
 * milliseconds, so an attacker who holds calls open does not keep others out.
 *
 * Only a few calls start in one turn of the event loop, and connections take turns. So a burst of thousands
 * delays neither calls with a credential nor the first call of a new connection.
 */
export interface PublicCalls {
  readonly slots: number;
  /** Calls that were refused since the start. */
  readonly refused: number;
  /**
   * Starts a call: immediately if a credential was accepted on its connection, otherwise in its turn. It can be refused before
   * and after its start.
   * @returns a function to call when the call has ended
   */
  open(call: PublicCall): () => void;
  /**
   * Refuses a call. The number of refusals that wait for their clients to read them is limited to the number of slots. Above
   * it, the connection of the oldest one is reset.
   * @returns a function to call when the call has ended
   */
  refuse(call: PublicCall): () => void;
  /** Records that a credential was accepted on the connection. Its open and later calls need no slot. */
  trust(connection: object): void;
  isTrusted(connection: object): boolean;
}

/** Maximum number of calls that start in one turn of the event loop. Each takes up to a millisecond. */
const startsPerTurn = 32;
/** Maximum number of calls that wait for their start, for each slot. A waiting call uses a tenth of the memory of an open one. */
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
  /** If too many calls wait, a connection may have only its share of them. Together they have at most twice as many. */
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
