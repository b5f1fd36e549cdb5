import { AuthError } from "../../domain/errors.ts";
import { parseEmail } from "../../domain/user/identifier.ts";
import { SettingError } from "../error.ts";

/** Text that is not empty and has no control character. */
export function parseText(text: string): string {
  if (text === "" || /\p{Cc}/u.test(text)) {
    throw new SettingError("is empty or has a control character; give it a value or unset it");
  }
  return text;
}

/** An identifier, which is compared exactly: up to 255 visible characters without spaces, and not `*`. */
export function parseIdentifier(text: string): string {
  if (!/^[^\s\p{C}]{1,255}$/u.test(text) || text === "*") {
    throw new SettingError("write 1 to 255 characters without spaces, and not `*`");
  }
  return text;
}

/** One of a few words. */
export function parseChoice<const T extends string>(...choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) throw new SettingError(`write ${choices.map((c) => `\`${c}\``).join(", ")}`);
    return choice;
  };
}

/** A whole number in decimal digits, within the bounds. */
export function parseInteger(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new SettingError(`write a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

/** The e-mail address of a user to be created. White space around it is dropped. */
export function parseUserEmail(text: string): string {
  try {
    return parseEmail(text).email;
  } catch (error) {
    if (error instanceof AuthError) throw new SettingError(error.message);
    throw error;
  }
}

/** A password: any characters, at most 1,024 bytes. Another setting has its minimum length. */
export function parsePassword(text: string): string {
  if (text === "" || Buffer.byteLength(text) > 1024)
    throw new SettingError("write a password of 1 to 1,024 bytes");
  return text;
}
