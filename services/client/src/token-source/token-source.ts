/** An access token and its lifetime in milliseconds, from the time of the request. */
export interface ObtainedToken {
  readonly accessToken: string;
  readonly expiresInMs: number;
}

/** Obtains access tokens. A {@link TokenSource} has one request at a time, and does not cancel it. */
export interface TokenProvider {
  /**
   * Obtains a new token.
   * @throws {PosternError} `ERR_SESSION_ENDED`, `ERR_LOGIN_REFUSED`. Any other error counts as temporary.
   */
  obtain(): Promise<ObtainedToken>;
}

/** Options of {@link TokenSource.token}. */
export interface TokenOptions {
  /** Stops waiting. The request for a token continues, for other callers. */
  readonly signal?: AbortSignal;
  /** A token that a server refused. The source returns another one, except if this one was obtained only now. */
  readonly refused?: string;
}

/** Always has a valid access token. */
export interface TokenSource {
  /**
   * Returns an access token that does not expire soon. A call after 60 to 80 % of its lifetime starts the renewal, and does
   * not wait for it.
   * @throws {PosternError} `ERR_SESSION_ENDED`, `ERR_LOGIN_REFUSED`, `ERR_UNAVAILABLE`
   * @throws the signal's reason
   */
  token(options?: TokenOptions): Promise<string>;
}
