/** How long a client may hold a connection or a call without using it, in milliseconds. */
export interface ListenerBounds {
  /** Time until the client's first SETTINGS over HTTP/2. */
  readonly settingsMs: number;
  /** Time that an HTTP/2 connection may be without a call. Pings do not count. */
  readonly idleMs: number;
  /** Time to read the rest of an answer, and to answer a ping. */
  readonly unreadMs: number;
  /** Time between pings to an HTTP/2 client with open calls. */
  readonly pingEveryMs: number;
  /** Time that a client may leave a connection open that the server has ended. */
  readonly closeMs: number;
  /** Time between checks. */
  readonly checkEveryMs: number;
}

export const listenerBounds: ListenerBounds = {
  settingsMs: 10_000,
  idleMs: 5 * 60_000,
  unreadMs: 30_000,
  pingEveryMs: 30_000,
  closeMs: 10_000,
  checkEveryMs: 1_000,
};

/** The connections of a listener. */
export interface ConnectionCount {
  readonly open: number;
  readonly max: number;
  /** Connections that were refused since the start. */
  readonly refused: number;
}
