/** How many calls a connection without a credential may have open once half of all slots are taken. */
const fewCalls = 4;

/**
 * Bounds the memory that callers without a credential can hold: the calls that are open on all connections on which no
 * credential was accepted yet. While half of the slots are free, one connection may use any number of them. Above that
 * each may use a few only, so that one client cannot take all.
 */
export interface PublicCalls {
  readonly slots: number;
  /** Calls that were refused since the start. */
  readonly refused: number;
  /**
   * Reserves a slot for a call on a connection, known by its socket or session.
   * @returns releases the slot; undefined: there is none
   */
  reserve(connection: object): (() => void) | undefined;
  /**
   * Reserves a slot for a refusal that its client has not read yet; there are as many as for calls.
   * @returns releases the slot; undefined: there is none, so the connection has to be ended
   */
  reserveRefusal(): (() => void) | undefined;
  /** A credential was accepted on the connection: its calls need no slot, neither those that are open nor later ones. */
  trust(connection: object): void;
  isTrusted(connection: object): boolean;
}

export function createPublicCalls(slots: number): PublicCalls {
  const trusted = new WeakSet<object>();
  const open = new WeakMap<object, number>();
  let used = 0;
  let refused = 0;
  let unread = 0;
  return {
    slots,
    get refused() {
      return refused;
    },
    reserve(connection) {
      if (trusted.has(connection)) return () => {};
      const own = open.get(connection) ?? 0;
      if (used >= slots || (used >= slots / 2 && own >= fewCalls)) {
        refused += 1;
        return undefined;
      }
      used += 1;
      open.set(connection, own + 1);
      let isOpen = true;
      return () => {
        if (!isOpen || trusted.has(connection)) return;
        isOpen = false;
        used -= 1;
        open.set(connection, (open.get(connection) ?? 0) - 1);
      };
    },
    reserveRefusal() {
      if (unread >= slots) return undefined;
      unread += 1;
      return () => {
        unread -= 1;
      };
    },
    trust(connection) {
      if (trusted.has(connection)) return;
      trusted.add(connection);
      used -= open.get(connection) ?? 0;
      open.delete(connection);
    },
    isTrusted: (connection) => trusted.has(connection),
  };
}
