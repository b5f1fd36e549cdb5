/** Which Redis to use, and with which credential. */
export interface RedisTarget {
  readonly mode: "single" | "sentinel" | "cluster";
  /** The server, the Sentinels, or some nodes of the Cluster. */
  readonly hosts: readonly {
    /** A name or an IP address, an IPv6 one without its brackets. */
    readonly host: string;
    readonly port: number;
  }[];
  /** To every server, Sentinels too. */
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Number of the database; 0 in a Cluster. */
  readonly db: number;
  /** With Sentinels: the name of the primary there. */
  readonly masterName: string | undefined;
  /** Whether the Sentinels also need the user name and password. */
  readonly sentinelAuth: boolean;
}
