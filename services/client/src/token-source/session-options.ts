export interface PosternSessionOptions {
  /** Postern's http listener; with `httpVersion: "2"`, its grpc listener. */
  readonly baseUrl: string;
  /** A secret token with the permission `login`; of a session that is there already, the one that opened it. */
  readonly token: string;
  /** Absent: `1.1`. */
  readonly httpVersion?: "1.1" | "2";
  /** How to open a session where there is none, and when it is over. Absent: its end is the end. */
  readonly login?: LoginOptions;
  /** Of a session that is there already; shown first. */
  readonly refreshToken?: string;
  /**
   * Keeps each new refresh token, for a process that starts anew to go on with: an older one ends the session. It is
   * not used before this has resolved; if this throws, no token is given out, and the next try begins here.
   */
  readonly onRefreshToken?: (refreshToken: string) => void | Promise<void>;
}

export interface LoginOptions {
  /** E-mail address or user name. */
  readonly identifier: string;
  readonly password: string;
  /** Absent: the secret token's own name. */
  readonly clientId?: string;
  /** Who shall accept the access tokens; absent: the default audience. */
  readonly audience?: readonly string[];
  /** What the access tokens shall allow; absent: nothing. */
  readonly scope?: readonly string[];
  /** A label for the session, to be shown to the user. */
  readonly device?: string;
}
