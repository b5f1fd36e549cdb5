/** The address of a listener. Port 0 means a free port. */
export interface Address {
  /** A name or an IP address; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}
