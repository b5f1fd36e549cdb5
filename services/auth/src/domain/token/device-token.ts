import { uuidFromBytes, uuidToBytes } from "../../lib/uuid.ts";
import type { DeviceId, UserId } from "../ports/ids.ts";
import type { RefreshKey } from "../ports/key-material.ts";
import { decodeOpaque, encodeOpaque, signedPart } from "./opaque-token.ts";

/** The content of a device token: this user has logged in on this device. The token grants no access. */
export interface Device {
  readonly keyNumber: number;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** Version of the password of that login, modulo 2³². */
  readonly passwordVersion: number;
  /** Seconds since the epoch, by the database's clock. */
  readonly issuedAt: number;
}

// Body: version (1 byte), key number (4), user id (16), device id (16), password version (4), issued at (4), HMAC (32).
const version = 1;
const statementLength = 45;
const bodyLength = statementLength + 32;
const lifetimeSeconds = 90 * 86_400;

/** Makes a device token, authenticated by a refresh key. */
export function mintDeviceToken(key: RefreshKey, device: Omit<Device, "keyNumber">): string {
  const body = new Uint8Array(bodyLength);
  const view = new DataView(body.buffer);
  view.setUint8(0, version);
  view.setUint32(1, key.number);
  body.set(uuidToBytes(device.userId), 5);
  body.set(uuidToBytes(device.deviceId), 21);
  view.setUint32(37, device.passwordVersion % 2 ** 32);
  view.setUint32(41, device.issuedAt);
  body.set(key.mac(signedPart("dv", body.subarray(0, statementLength))), statementLength);
  return encodeOpaque("dv", body);
}

/** Parses a device token. Does not check its MAC. @returns undefined if the text does not have the form of one */
export function parseDeviceToken(
  text: string,
): (Device & { readonly signed: Uint8Array; readonly mac: Uint8Array }) | undefined {
  const body = decodeOpaque("dv", text, bodyLength);
  if (body === undefined) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (view.getUint8(0) !== version) return undefined;
  return {
    keyNumber: view.getUint32(1),
    userId: uuidFromBytes(body.subarray(5, 21)),
    deviceId: uuidFromBytes(body.subarray(21, 37)),
    passwordVersion: view.getUint32(37),
    issuedAt: view.getUint32(41),
    signed: signedPart("dv", body.subarray(0, statementLength)),
    mac: body.subarray(statementLength),
  };
}

/** Whether a device token has expired, 90 days after its issue. */
export function isDeviceExpired(device: Device, now: Date): boolean {
  return device.issuedAt + lifetimeSeconds <= now.getTime() / 1000;
}
