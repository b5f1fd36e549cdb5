import { domainToASCII, domainToUnicode } from "node:url";
import { dropBlanks } from "../../lib/blanks.ts";
import { AuthError } from "../errors.ts";
import type { UserKey } from "../ports/user-store.ts";
import { fold, hasPlainLetters } from "./letters.ts";

const plainLetters =
  "letters are those of one script in their plain form: no compatibility characters, nothing invisible, " +
  "nothing that passes for other letters";
const usernameRule = `a user name is 1 to 64 letters and digits (0-9), with single \`.\`, \`_\` or \`-\` between them; ${plainLetters}`;
const emailRule = `an e-mail address is a local part of at most 64 bytes, \`@\` and a domain with a dot (or \`localhost\`), together at most 254 bytes, without quotes, comments or spaces; ${plainLetters}`;

const usernameMax = 64;
const localPartMaxBytes = 64;
const emailMaxBytes = 254;
/** More UTF-16 units than any allowed name or address has, composed or not. */
const textMax = 1_024;

const namePart = /^[0-9\p{L}\p{M}]+$/u;
/** An atom of RFC 5321 section 4.1.2, with the letters of RFC 6531. */
const atom = /^[0-9\p{L}\p{M}!#$%&'*+/=?^_`{|}~-]+$/u;
const domainLabel = /^(?!-)[0-9\p{L}\p{M}-]+(?<!-)$/u;
const asciiOnly = /^\p{ASCII}*$/u;
const ldh = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const id = /^(?:usr|ses|cli|key|tok|rev|ptn)_/;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/;

/** A user name as it is shown, and its folded form, which is unique. */
export interface Username {
  readonly username: string;
  readonly usernameKey: string;
}

/** An e-mail address as it is shown, and its unique form: folded, with its domain in ASCII (RFC 5890). */
export interface EmailAddress {
  readonly email: string;
  readonly emailKey: string;
}

/**
 * Reads a name for a new user, without the white space around it. The name cannot be read as an address, an ID or a UUID.
 *
 * @throws {AuthError} `INVALID_REQUEST`
 */
export function parseUsername(written: string): Username {
  if (!isReadable(written)) throw malformed(usernameRule);
  const text = dropBlanks(written);
  const username = text.normalize("NFC");
  if (Array.from(username).length > usernameMax) throw malformed(usernameRule);
  if (!username.split(/[._-]/).every((part) => namePart.test(part))) throw malformed(usernameRule);
  if (!hasPlainLetters(text)) throw malformed(usernameRule);

  const usernameKey = fold(username);
  if (id.test(usernameKey) || uuid.test(usernameKey)) {
    throw malformed("a user name cannot look like an id, such as `usr_…`, or like a UUID");
  }
  return { username, usernameKey };
}

/**
 * Reads an address for a new user: RFC 5321 and 6531 without quoted local parts and address literals. White space
 * around it is dropped.
 *
 * @throws {AuthError} `INVALID_REQUEST`
 */
export function parseEmail(written: string): EmailAddress {
  if (!isReadable(written)) throw malformed(emailRule);
  const text = dropBlanks(written);
  const at = text.lastIndexOf("@");
  const local = text.slice(0, Math.max(at, 0));
  const domain = at < 0 ? undefined : asciiDomain(text.slice(at + 1));
  if (domain === undefined || !isLocalPart(local)) throw malformed(emailRule);

  const email = text.normalize("NFC");
  const emailKey = `${fold(local)}@${domain}`;
  if (Math.max(Buffer.byteLength(email), Buffer.byteLength(emailKey)) > emailMaxBytes)
    throw malformed(emailRule);
  return { email, emailKey };
}

/** The user that the text of a login or a look-up can mean; undefined if no user can have this name. Never throws. */
export function identifierKey(text: string): UserKey | undefined {
  try {
    if (text.includes("@")) return { emailKey: parseEmail(text).emailKey };
    return { usernameKey: parseUsername(text).usernameKey };
  } catch (error) {
    if (error instanceof AuthError) return undefined;
    throw error;
  }
}

/** Limits the work for long texts. */
function isReadable(text: string): boolean {
  return text.length <= textMax && text.isWellFormed();
}

function isLocalPart(local: string): boolean {
  return (
    Buffer.byteLength(local.normalize("NFC")) <= localPartMaxBytes &&
    local.split(".").every((part) => atom.test(part)) &&
    hasPlainLetters(local)
  );
}

/** @returns the domain in lower-case ASCII, or undefined if no mail can be sent to it */
function asciiDomain(domain: string): string | undefined {
  const labels = domain.split(".").map(asciiLabel);
  const top = labels.at(-1);
  if (labels.includes(undefined) || top === undefined) return undefined;
  if (labels.length === 1) return top === "localhost" ? top : undefined;
  // URLs read a domain whose last label begins with a digit as an IPv4 address.
  return /^[0-9]/.test(top) ? undefined : labels.join(".");
}

function asciiLabel(text: string): string | undefined {
  if (!hasPlainLetters(text) || !domainLabel.test(text)) return undefined;
  const isAscii = asciiOnly.test(text);
  // One label at a time, and never a plain number, which would be read as an IPv4 address.
  const ascii = isAscii ? text.toLowerCase() : domainToASCII(text);
  if (ascii.length > 63 || !ldh.test(ascii)) return undefined;
  if (!ascii.startsWith("xn--")) return isAscii ? ascii : undefined;

  // Punycode must be as valid as the letters that it stands for, and in its canonical form.
  const unicode = domainToUnicode(ascii);
  return unicode !== ascii && hasPlainLetters(unicode) && domainToASCII(unicode) === ascii
    ? ascii
    : undefined;
}

function malformed(message: string): AuthError {
  return new AuthError("INVALID_REQUEST", { message });
}
