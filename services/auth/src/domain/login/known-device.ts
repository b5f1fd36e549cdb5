import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { LoginSnapshot } from "../ports/user-store.ts";
import { type Device, isDeviceExpired, parseDeviceToken } from "../token/device-token.ts";
import type { LoginAttempt } from "./login-budgets.ts";

/**
 * Finds the device that has logged this user in before.
 * @returns undefined for a token of another user, an expired token, and text that this ring's keys did not make
 */
export async function findDevice(
  { keyRing }: { readonly keyRing: KeyRing },
  text: string,
  user: LoginSnapshot | undefined,
): Promise<Device | undefined> {
  const device = await openDeviceToken(keyRing, text);
  if (device === undefined || user === undefined || device.userId !== user.userId) return undefined;
  return isDeviceExpired(device, user.now) ? undefined : device;
}

async function openDeviceToken(keyRing: KeyRing, text: string): Promise<Device | undefined> {
  const token = parseDeviceToken(text);
  if (token === undefined) return undefined;
  try {
    const key = await keyRing.findRefreshKey(token.keyNumber);
    return key?.verify(token.signed, token.mac) === true ? token : undefined;
  } catch (error) {
    // If the key cannot be looked up, the login goes on as from an unknown device.
    if (error instanceof AuthError && error.reason === "UNAVAILABLE") return undefined;
    throw error;
  }
}

/** How the account knows the client of a login; undefined: it does not. */
export function knownBy(
  user: LoginSnapshot | undefined,
  device: Device | undefined,
): LoginAttempt["knownBy"] {
  if (user === undefined) return undefined;
  const { userId, passwordVersion, knowsAddress } = user;
  if (device?.passwordVersion === passwordVersion % 2 ** 32) {
    return { kind: "device", userId, deviceId: device.deviceId };
  }
  if (knowsAddress) return { kind: "address" };
  // An attacker who once had the password may have made any number of devices. After a change of the password they share
  // one budget.
  return device === undefined ? undefined : { kind: "device", userId, deviceId: "outdated" };
}
