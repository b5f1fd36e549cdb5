import { createHmac, timingSafeEqual } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { uuidFromBytes } from "../../lib/uuid.ts";
import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { RefreshKey } from "../ports/key-material.ts";
import type { LoginSnapshot } from "../ports/user-store.ts";
import { isDeviceExpired, mintDeviceToken, parseDeviceToken } from "../token/device-token.ts";
import { decodeOpaque, encodeOpaque } from "../token/opaque-token.ts";
import { mintRefreshToken, parseRefreshToken, verifyRefreshToken } from "../token/refresh-token.ts";
import { findDevice } from "./known-device.ts";

const device = {
  userId: "0188bac7-4afa-78aa-bc3b-bd1eef28d881",
  deviceId: "0188bac7-4afa-78aa-bc3b-bd1eef28d882",
  passwordVersion: 12,
  issuedAt: 1_767_225_600,
};
const key = keyOf(3, "first");
const token = mintDeviceToken(key, device);

function keyOf(number: number, secret: string): RefreshKey {
  const mac = (data: Uint8Array) => Uint8Array.from(createHmac("sha256", secret).update(data).digest());
  return { number, mac, verify: (data, given) => given.length === 32 && timingSafeEqual(mac(data), given) };
}

/** The device that a ring with these keys finds, for a login of the device's user a second after it was issued. */
async function known(
  text: string,
  findRefreshKey: KeyRing["findRefreshKey"] = async () => key,
  { userId, now = new Date((device.issuedAt + 1) * 1000) }: { userId?: string; now?: Date } = {},
) {
  const keyRing: Pick<KeyRing, "findRefreshKey"> = { findRefreshKey };
  const user = { userId: userId ?? parseDeviceToken(text)?.userId, now } as LoginSnapshot;
  return findDevice({ keyRing: keyRing as KeyRing }, text, user);
}

describe("device tokens", () => {
  test("have a body of the documented form", () => {
    const body = Buffer.from(decodeOpaque("dv", token, 77) ?? []);
    const ids = [device.userId, device.deviceId].map((id) => id.replaceAll("-", ""));
    expect(body.toString("hex", 0, 45)).toBe(`01${"00000003"}${ids.join("")}${"0000000c"}${"6955b900"}`);
    const signed = Buffer.concat([Buffer.from("ptn_dv"), body.subarray(0, 45)]);
    expect(createHmac("sha256", "first").update(signed).digest()).toEqual(body.subarray(45));
  });

  test("are read back unchanged, the password's version modulo 2³²", async () => {
    const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidFromBytes);
    const numbers = fc.integer({ min: 0, max: 0xffff_ffff });
    const versions = fc.integer({ min: 0, max: 2 ** 40 });
    await fc.assert(
      fc.asyncProperty(uuids, uuids, numbers, versions, async (userId, deviceId, number, passwordVersion) => {
        const by = keyOf(number, "k");
        const text = mintDeviceToken(by, { ...device, userId, deviceId, passwordVersion });
        const version = passwordVersion % 2 ** 32;
        const expected = { keyNumber: number, userId, deviceId, passwordVersion: version };
        expect(await known(text, async () => by)).toMatchObject({ ...expected, issuedAt: device.issuedAt });
      }),
    );
  });

  test("A25: truncated at either end are refused", async () => {
    for (let length = 0; length < token.length; length++) {
      expect(await known(token.slice(0, length))).toBeUndefined();
      expect(await known(token.slice(token.length - length))).toBeUndefined();
    }
  });

  test("with one changed character are refused before any key is looked up", () => {
    for (let at = 0; at < token.length; at++) {
      for (const character of ["0", "z", "_"]) {
        if (token[at] === character) continue;
        expect(parseDeviceToken(token.slice(0, at) + character + token.slice(at + 1))).toBeUndefined();
      }
    }
  });

  test("with one changed byte are refused by the MAC, or have another version", async () => {
    for (let at = 0; at < 77; at++) {
      const body = Uint8Array.from(decodeOpaque("dv", token, 77) ?? []);
      body[at] = (body[at] ?? 0) ^ 1;
      expect(await known(encodeOpaque("dv", body))).toBeUndefined();
    }
  });

  test("are checked with the key of their number, and refused with another key", async () => {
    const asked: number[] = [];
    const find = async (number: number) => {
      asked.push(number);
      return undefined;
    };
    expect(await known(token, find)).toBeUndefined();
    expect(asked).toEqual([3]);
    expect(await known(token, async () => keyOf(3, "second"))).toBeUndefined();
    expect(await known(token)).toMatchObject(device);
  });

  test("C13: are not accepted as refresh tokens, nor refresh tokens as device tokens", async () => {
    const refreshToken = mintRefreshToken(key, { sessionId: device.userId, generation: 0 });
    expect(parseRefreshToken(token)).toBeUndefined();
    expect(await known(refreshToken)).toBeUndefined();
    // Nor with the other's outer form: the MAC is over a label.
    const body = decodeOpaque("dv", token, 77) ?? new Uint8Array();
    const [short, long] = [Uint8Array.from(body.subarray(0, 57)), new Uint8Array(77)];
    short.set(key.mac(body.subarray(0, 25)), 25);
    const parsed = parseRefreshToken(encodeOpaque("rt", short));
    expect(parsed === undefined || verifyRefreshToken(key, parsed)).toBe(false);
    const refreshBody = decodeOpaque("rt", refreshToken, 57) ?? new Uint8Array();
    long.set(refreshBody.subarray(0, 25));
    long.set(refreshBody.subarray(25), 45);
    expect(await known(encodeOpaque("dv", long))).toBeUndefined();
  });

  test("of another user are ignored", async () => {
    expect(await known(token, async () => key, { userId: device.deviceId })).toBeUndefined();
    expect(await findDevice({ keyRing: {} as KeyRing }, "", undefined)).toBeUndefined();
  });

  test("are ignored after 90 days", async () => {
    const now = new Date((device.issuedAt + 90 * 86_400) * 1000);
    expect(await known(token, async () => key, { now })).toBeUndefined();
  });

  test("expire after 90 days", () => {
    const after = (seconds: number) => new Date((device.issuedAt + seconds) * 1000);
    const found = { ...device, keyNumber: 3 };
    expect(isDeviceExpired(found, after(0))).toBe(false);
    expect(isDeviceExpired(found, after(90 * 86_400 - 1))).toBe(false);
    expect(isDeviceExpired(found, after(90 * 86_400))).toBe(true);
    // The database was restored since.
    expect(isDeviceExpired(found, after(-86_400))).toBe(false);
  });

  test("are ignored if their key cannot be looked up; any other error is thrown", async () => {
    const failing = (error: unknown) => () => Promise.reject(error);
    expect(await known(token, failing(new AuthError("UNAVAILABLE")))).toBeUndefined();
    await expect(known(token, failing(new TypeError("a fault")))).rejects.toThrow("a fault");
  });

  test("of another form cause no look-up", async () => {
    const find = failingFind();
    for (const text of ["", "x", "ptn_dv_", `${token} `, token.toLowerCase(), token.replace("dv", "rt")]) {
      expect(await known(text, find)).toBeUndefined();
    }
  });
});

function failingFind(): KeyRing["findRefreshKey"] {
  return async () => {
    throw new Error("a key was looked up");
  };
}
