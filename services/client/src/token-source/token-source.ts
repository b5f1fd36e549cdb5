/** An access token, and how long it lives, in milliseconds from when it was asked for. */
export interface ObtainedToken {
  readonly accessToken: string;
  readonly expiresInMs: number;
}

/** Where access tokens come from. Asked once at a time, and never given up on. */
export interface TokenProvider {
  /**
   * Another token each time, where there is one.
   * @throws {PosternError} `ERR_SESSION_ENDED`, `ERR_LOGIN_REFUSED`; whatever else is thrown may be better a moment
   * later
   */
  obtain(): Promise<ObtainedToken>;
}

export interface TokenOptions {
  /** Gives up waiting. What was begun goes on, for the sake of others and of the next call. */
  readonly signal?: AbortSignal;
  /** A token that was not accepted: another one is wanted. If it was obtained just now, it is given all the same. */
  readonly refused?: string;
}

/** A good access token at any time. */
export interface TokenSource {
  /**
   * An access token that lives for a while. Renewed ahead of its end, by the calls that come once three fifths to
   * four fifths of its life are over and do not wait for it.
   * @throws {PosternError} `ERR_SESSION_ENDED`, `ERR_LOGIN_REFUSED`, `ERR_UNAVAILABLE`; and the signal's reason
   */
  token(options?: TokenOptions): Promise<string>;
}
