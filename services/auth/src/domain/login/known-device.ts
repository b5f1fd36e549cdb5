import { PosternError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import { type Device, parseDeviceToken } from "../token/device-token.ts";

/** Reads a device token that this ring's keys have made; undefined for anything else, which is no fault. */
export async function knownDevice(
  { keyRing }: { readonly keyRing: KeyRing },
  text: string,
): Promise<Device | undefined> {
  const token = parseDeviceToken(text);
  if (token === undefined) return undefined;
  try {
    const key = await keyRing.findRefreshKey(token.keyNumber);
    return key?.verify(token.signed, token.mac) === true ? token : undefined;
  } catch (error) {
    // A key that nobody knows yet makes no login fail: its bearer is a stranger.
    if (error instanceof PosternError && error.reason === "UNAVAILABLE") return undefined;
    throw error;
  }
}
