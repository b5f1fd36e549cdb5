import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Mac } from "../domain/ports/mac.ts";

/**
 * A MAC under keys derived from the master keys (RFC 5869): the first signs, all verify.
 * @param purpose a MAC for one purpose is not valid for another
 */
export function createMac(masterKeys: readonly Uint8Array[], purpose: string): Mac {
  const [first, ...others] = masterKeys.map((masterKey) =>
    createSecretKey(
      new Uint8Array(hkdfSync("sha256", createSecretKey(masterKey), "", `postern mac ${purpose}`, 32)),
    ),
  );
  if (first === undefined) throw new RangeError("no master key");
  const digest = (key: typeof first, text: string) => createHmac("sha256", key).update(text).digest();
  return {
    sign: (text) => digest(first, text).toString("base64url"),
    verify(text, mac) {
      const given = Buffer.from(mac, "base64url");
      return [first, ...others].some((key) => {
        const right = digest(key, text);
        return given.length === right.length && timingSafeEqual(given, right);
      });
    },
  };
}
