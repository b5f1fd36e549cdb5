/** Where a listener listens; port 0 picks a free one. */
export interface Address {
  /** A name or an IP address, an IPv6 one without its brackets. */
  readonly host: string;
  readonly port: number;
}
