/**
 * A copy with an object's own members and no prototype. A member of `Object.prototype` is then never taken
 * for a member that the object lacks.
 */
export function ownMembers<T extends object>(value: T): T {
  return { __proto__: null, ...value };
}

/** An object's own member; undefined where it has none by that name, whatever it inherits. */
export function ownMember<T extends object, K extends keyof T>(value: T, name: K): T[K] | undefined {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}
