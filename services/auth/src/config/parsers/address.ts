import { BlockList, isIP, isIPv6 } from "node:net";
import type { Address } from "../../lib/address.ts";
import { canonicalAddress } from "../../lib/ip-address.ts";
import { SettingError } from "../error.ts";
import { isHostName } from "./host-name.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only this machine can reach the host: `localhost`, and the loopback addresses. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === "localhost") return true;
  if (isIP(host) === 0) return false;
  return loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}

/** Returns the same text for equal hosts. An IPv6 address has no brackets. */
export function normalHost(host: string): string {
  return canonicalAddress(host) ?? host.toLowerCase();
}

/** `host:port`, an IPv6 address in brackets. */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = Number(digits ?? Number.NaN);
  const fits = bracketed !== undefined ? isIPv6(host) : isIP(host) === 4 || isHostName(host);
  if (!fits || !(port <= 65_535)) {
    throw new SettingError(
      "write `host:port`, such as `127.0.0.1:8080` or `[::1]:8080`, with a port up to 65535",
    );
  }
  return { host, port };
}
