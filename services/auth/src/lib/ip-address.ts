/**
 * The canonical spelling of an IP address: IPv4 as four decimal numbers, also for an IPv4-mapped IPv6 address (RFC 4291
 * section 2.5.5.2); IPv6 by RFC 5952. Undefined for any other text, also with leading zeros in IPv4, a zone, brackets or a
 * port.
 */
export function canonicalAddress(text: string): string | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split(".").every(isOctet) ? text : undefined;
  const url = `http://[${text}]/`;
  if (!/^[0-9a-f:.]{2,45}$/i.test(text) || !URL.canParse(url)) return undefined;
  // The URL parser writes IPv6 as RFC 5952 requires, but never with an IPv4 part.
  const address = new URL(url).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
  return high === undefined || low === undefined ? address : [...octetsOf(high), ...octetsOf(low)].join(".");
}

function isOctet(text: string): boolean {
  return String(Number(text)) === text && Number(text) <= 255;
}

function octetsOf(group: string): [number, number] {
  const number = Number.parseInt(group, 16);
  return [number >> 8, number & 0xff];
}
