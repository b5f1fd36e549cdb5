import { createHmac, timingSafeEqual } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { uuidFromBytes } from "../../lib/uuid.ts";
import type { RefreshKey } from "../ports/key-material.ts";
import { decodeOpaque, encodeOpaque } from "./opaque-token.ts";
import { mintRefreshToken, parseRefreshToken, verifyRefreshToken } from "./refresh-token.ts";

const sessionId = "0188bac7-4afa-78aa-bc3b-bd1eef28d881";
const key = keyOf(3, "first");
const token = mintRefreshToken(key, { sessionId, generation: 12 });

function keyOf(number: number, secret: string): RefreshKey {
  const mac = (data: Uint8Array) => Uint8Array.from(createHmac("sha256", secret).update(data).digest());
  return { number, mac, verify: (data, given) => given.length === 32 && timingSafeEqual(mac(data), given) };
}

function accepts(text: string, by = key): boolean {
  const parsed = parseRefreshToken(text);
  return parsed !== undefined && verifyRefreshToken(by, parsed);
}

describe("refresh tokens", () => {
  test("have the body of the contract", () => {
    const body = decodeOpaque("rt", token, 57);
    expect(Buffer.from(body ?? []).toString("hex", 0, 25)).toBe(
      `01${"00000003"}${sessionId.replaceAll("-", "")}${"0000000c"}`,
    );
    const signed = Buffer.concat([Buffer.from("ptn_rt"), Buffer.from(body ?? []).subarray(0, 25)]);
    expect(createHmac("sha256", "first").update(signed).digest()).toEqual(
      Buffer.from(body ?? []).subarray(25),
    );
  });

  test("parse to the values that were minted", () => {
    const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidFromBytes);
    const numbers = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(uuids, numbers, numbers, (id, number, generation) => {
        const by = keyOf(number, "k");
        const text = mintRefreshToken(by, { sessionId: id, generation });
        expect(parseRefreshToken(text)).toMatchObject({ keyNumber: number, sessionId: id, generation });
        expect(accepts(text, by)).toBe(true);
      }),
    );
  });

  test("are the same for the same key, session and generation", () => {
    expect(mintRefreshToken(key, { sessionId, generation: 12 })).toBe(token);
    expect(mintRefreshToken(key, { sessionId, generation: 13 })).not.toBe(token);
  });

  test("A25 a refresh token truncated at either end is refused", () => {
    for (let length = 0; length < token.length; length++) {
      expect(accepts(token.slice(0, length))).toBe(false);
      expect(accepts(token.slice(token.length - length))).toBe(false);
    }
  });

  test("with one changed character are refused by their form alone", () => {
    const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
    for (let at = 0; at < token.length; at++) {
      for (const character of alphabet) {
        if (character === token[at]) continue;
        expect(parseRefreshToken(token.slice(0, at) + character + token.slice(at + 1))).toBeUndefined();
      }
    }
  });

  test("with one changed bit are refused despite a valid checksum", () => {
    const body = decodeOpaque("rt", token, 57) ?? new Uint8Array();
    expect(accepts(encodeOpaque("rt", body))).toBe(true);
    for (let bit = 0; bit < body.length * 8; bit++) {
      const changed = Uint8Array.from(body);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(accepts(encodeOpaque("rt", changed))).toBe(false);
    }
  });

  test("of an unknown version are refused despite a valid MAC", () => {
    const body = Uint8Array.from(decodeOpaque("rt", token, 57) ?? []);
    body[0] = 2;
    body.set(key.mac(Buffer.concat([Buffer.from("ptn_rt"), body.subarray(0, 25)])), 25);
    expect(parseRefreshToken(encodeOpaque("rt", body))).toBeUndefined();
  });

  test("are refused by another key, with the same number or another one", () => {
    expect(accepts(token, keyOf(3, "second"))).toBe(false);
    expect(accepts(token, keyOf(4, "first"))).toBe(false);
  });

  test("C13 the body of a refresh token under another kind is refused", () => {
    const body = decodeOpaque("rt", token, 57) ?? new Uint8Array();
    expect(parseRefreshToken(encodeOpaque("at", body))).toBeUndefined();
  });

  test("A14 an access token is refused as a refresh token", () => {
    expect(parseRefreshToken("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA")).toBeUndefined();
  });

  test("C14 a key authenticates only the fixed form of a refresh token, for any input", () => {
    const macs: Uint8Array[] = [];
    const spied: RefreshKey = {
      ...key,
      mac: (data) => {
        macs.push(data);
        return key.mac(data);
      },
    };
    mintRefreshToken(spied, { sessionId, generation: 0xffff_ffff });

    expect(macs.map((data) => [data.length, Buffer.from(data).toString("latin1", 0, 7)])).toEqual([
      [31, "ptn_rt\x01"],
    ]);
    for (const generation of [-1, 1.5, 2 ** 32, Number.NaN]) {
      expect(() => mintRefreshToken(spied, { sessionId, generation })).toThrow(RangeError);
    }
    for (const chosen of ["", "chosen by a caller", `${sessionId}00`, sessionId.toUpperCase()]) {
      expect(() => mintRefreshToken(spied, { sessionId: chosen, generation: 1 })).toThrow(TypeError);
    }
    expect(macs).toHaveLength(1);
  });
});
