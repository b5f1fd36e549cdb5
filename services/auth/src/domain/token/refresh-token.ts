import { uuidFromBytes, uuidToBytes } from "../../lib/uuid.ts";
import type { SessionId } from "../ports/ids.ts";
import type { RefreshKey } from "../ports/key-material.ts";
import { decodeOpaque, encodeOpaque, signedPart } from "./opaque-token.ts";

/** A well-formed refresh token whose MAC is not checked yet. */
export interface ParsedRefreshToken {
  readonly keyNumber: number;
  readonly sessionId: SessionId;
  readonly generation: number;
  /** The input of the MAC. */
  readonly signed: Uint8Array;
  readonly mac: Uint8Array;
}

// Body: version (1 byte), key number (4), session id (16), generation (4), HMAC-SHA-256 (32).
const version = 1;
const statementLength = 25;
const bodyLength = statementLength + 32;
const numberMax = 0xffff_ffff;

/**
 * Makes the refresh token of a session's generation. It depends on key, session and generation only, so every replica makes
 * the same one.
 *
 * @throws {RangeError} if a number does not fit into 32 bits
 */
export function mintRefreshToken(
  key: RefreshKey,
  session: { sessionId: SessionId; generation: number },
): string {
  const body = new Uint8Array(bodyLength);
  const view = new DataView(body.buffer);
  view.setUint8(0, version);
  view.setUint32(1, inRange(key.number));
  body.set(uuidToBytes(session.sessionId), 5);
  view.setUint32(21, inRange(session.generation));
  body.set(key.mac(signedPart("rt", body.subarray(0, statementLength))), statementLength);
  return encodeOpaque("rt", body);
}

/** @returns undefined if the text does not have the form of a refresh token, or has an unknown version */
export function parseRefreshToken(text: string): ParsedRefreshToken | undefined {
  const body = decodeOpaque("rt", text, bodyLength);
  if (body === undefined) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (view.getUint8(0) !== version) return undefined;
  return {
    keyNumber: view.getUint32(1),
    sessionId: uuidFromBytes(body.subarray(5, 21)),
    generation: view.getUint32(21),
    signed: signedPart("rt", body.subarray(0, statementLength)),
    mac: body.subarray(statementLength),
  };
}

/** Whether this key made the token. */
export function verifyRefreshToken(key: RefreshKey, parsed: ParsedRefreshToken): boolean {
  return key.number === parsed.keyNumber && key.verify(parsed.signed, parsed.mac);
}

function inRange(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > numberMax) throw new RangeError("not a 32-bit number");
  return value;
}
