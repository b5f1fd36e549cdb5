import { canonicalAddress } from "../../lib/ip-address.ts";

/**
 * What an IP address counts as: an IPv4 address as itself, also if it is mapped into IPv6 (RFC 4291 section 2.5.5.2) or
 * translated (RFC 6052 section 2.1); an IPv6 address as its first 64 bits, because one household can choose the rest.
 *
 * @returns undefined if the text is not an address
 */
export function addressKey(text: string): string | undefined {
  const address = canonicalAddress(text);
  if (!address?.includes(":")) return address;
  const [g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0] = groupsOf(address);
  const isTranslated = g0 === 0x64 && g1 === 0xff9b && g2 + g3 + g4 + g5 === 0;
  if (isTranslated) {
    return [g6 >> 8, g6 & 0xff, g7 >> 8, g7 & 0xff].join(".");
  }
  return `${[g0, g1, g2, g3].map((group) => group.toString(16)).join(":")}::/64`;
}

/** The eight groups of an IPv6 address in its canonical spelling. */
function groupsOf(address: string): readonly number[] {
  const [head = "", tail] = address.split("::");
  const left = numbers(head);
  if (tail === undefined) return left;
  const right = numbers(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

function numbers(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
