import { ownMembers } from "./core/own-members.ts";

/** All names of an object's options. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** A message for each possible fault, and whether the fault exists. */
export type Faults = Readonly<Record<string, boolean>>;

/**
 * Reads an options object's own members. A member that other code has added to `Object.prototype` is not an option.
 * @param prefix the text before an option's name in errors
 * @throws {TypeError} for an unknown option: a misspelled one would keep its default
 */
export function takeOptions<T extends object>(options: T, names: OptionNames<T>, prefix = ""): T {
  const own = ownMembers(options);
  for (const name of Object.keys(own)) {
    if (!Object.hasOwn(names, name)) throw new TypeError(`\`${prefix}${name}\` is not an option`);
  }
  return own;
}

/** @throws {TypeError} for the first fault that exists */
export function refuseFaults(faults: Faults): void {
  for (const [message, isFault] of Object.entries(faults)) if (isFault) throw new TypeError(message);
}

/** Whether the value is an object that can have options. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether the value is an http or https URL without credentials. Errors would repeat credentials. */
export function isHttpUrl(value: unknown): value is string {
  if (typeof value !== "string" || /\s/.test(value) || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}

/** Whether the value is such a URL, and other URLs can be made by adding to its path. */
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
  // The copy fills the holes of a sparse list, which `every` would skip.
  return Array.isArray(value) && [...value].every(isText);
}
