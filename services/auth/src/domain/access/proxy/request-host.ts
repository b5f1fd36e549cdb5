import { canonicalAddress } from "../../../lib/ip-address.ts";

/** A name, an IPv4 address or an IPv6 address in brackets, with an optional dot and port. */
const hostForm = /^(?:((?:[a-z0-9_-]+\.)*[a-z0-9_-]+)\.?|(\[[0-9a-f:.]+\]))(?::[0-9]{1,5})?$/;

/**
 * The host of a request in lower case, without the port and the dot at the end of a name; undefined for any other text.
 */
export function readHost(host: string): string | undefined {
  // Checked before the case is folded: the fold turns some non-ASCII letters into ASCII letters.
  if (!/^[!-~]+$/.test(host)) return undefined;
  const [, name, address] = hostForm.exec(host.toLowerCase()) ?? [];
  return name ?? address;
}

/**
 * The canonical spelling of a host from `readHost`: `2130706433`, `0x7f.1` and `[::ffff:127.0.0.1]` become `127.0.0.1`.
 * Undefined if no URL can have the host, and for an IPv4 address with leading zeros, which some servers read as octal.
 */
export function canonicalHost(host: string): string | undefined {
  const url = `http://${host}/`;
  if (!URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  if (/^[\d.]+$/.test(hostname)) return /(?:^|\.)0\d/.test(host) ? undefined : hostname;
  if (!hostname.startsWith("[")) return hostname;
  const address = canonicalAddress(hostname.slice(1, -1));
  return address?.includes(":") ? `[${address}]` : address;
}
