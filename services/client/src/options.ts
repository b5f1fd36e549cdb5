import { ownMembers } from "./core/own-members.ts";

/** The names of an object's options, all of them. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** A message for each fault, and whether it is there. */
export type Faults = Readonly<Record<string, boolean>>;

/**
 * Takes an options object's own members: what some other code has put on `Object.prototype` is no option.
 * @param prefix the text before an option's name in errors
 * @throws {TypeError} for an option that is not known: a misspelt one would be left at its default
 */
export function takeOptions<T extends object>(options: T, names: OptionNames<T>, prefix = ""): T {
  const own = ownMembers(options);
  for (const name of Object.keys(own)) {
    if (!Object.hasOwn(names, name)) throw new TypeError(`\`${prefix}${name}\` is no option`);
  }
  return own;
}

/** @throws {TypeError} for the first fault that is there */
export function refuseFaults(faults: Faults): void {
  for (const [message, isFault] of Object.entries(faults)) if (isFault) throw new TypeError(message);
}

/** Whether it is an object that may hold options. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether the text is an http or https URL without credentials, which errors would repeat. */
export function isHttpUrl(value: unknown): value is string {
  if (typeof value !== "string" || /\s/.test(value) || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}

/** Whether it is such a URL that others are made from by adding to its path. */
export function isBaseUrl(value: unknown): value is string {
  return isHttpUrl(value) && !/[?#]/.test(value);
}

export function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || is(value);
}

export function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

export function isListOfTexts(value: unknown): value is readonly string[] {
  // Copied, for a list may have holes, which `every` leaves out.
  return Array.isArray(value) && [...value].every(isText);
}
