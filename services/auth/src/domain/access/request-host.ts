/** A name, an IPv4 or a bracketed IPv6 address; then perhaps a dot and a port. */
const hostForm = /^(?:((?:[a-z0-9_-]+\.)*[a-z0-9_-]+)\.?|(\[[0-9a-f:.]+\]))(?::[0-9]{1,5})?$/;

/**
 * The host of a request in lower case, without the port and the dot at a name's end; undefined where it is not one.
 */
export function readHost(host: string): string | undefined {
  // Before the case is folded: some letters beyond ASCII become one of these.
  if (!/^[!-~]+$/.test(host)) return undefined;
  const [, name, address] = hostForm.exec(host.toLowerCase()) ?? [];
  return name ?? address;
}
