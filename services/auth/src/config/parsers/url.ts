import { SettingError } from "../error.ts";
import { isLoopback } from "./address.ts";

const maxIssuerLength = 255;

/**
 * An issuer identifier (RFC 8414 section 2): https, or http on loopback; no query, fragment, user or trailing
 * slash. It is compared character by character, so only the normal form of the URL is accepted.
 */
export function parseIssuer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !["https:", "http:"].includes(url.protocol) ||
    url.username + url.password !== ""
  ) {
    throw new SettingError("write a URL such as `https://auth.example.com`");
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) {
    throw new SettingError("write an https URL; http is allowed only on loopback");
  }
  if (/[?#]|\/$/.test(text))
    throw new SettingError("leave out the query, the fragment and the trailing slash");
  // It is in every token, and a token has at most 8 KiB.
  if (text.length > maxIssuerLength) throw new SettingError(`at most ${maxIssuerLength} characters`);
  const normal = url.href.replace(/\/$/, "");
  if (text !== normal) throw new SettingError(`write it in its normal form: ${normal}`);
  return text;
}
