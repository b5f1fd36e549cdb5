/** How long a client may hold a connection or a call without doing its part; all in milliseconds. */
export interface ListenerBounds {
  /** Time to the client's first SETTINGS over HTTP/2. */
  readonly settingsMs: number;
  /** Time that an HTTP/2 connection may be without a call; pings do not count. */
  readonly idleMs: number;
  /** Time to take the rest of an answer, and to answer a ping. */
  readonly unreadMs: number;
  /** Time between pings to an HTTP/2 client that has calls open. */
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
