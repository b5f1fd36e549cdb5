/**
 * Copies an object's own members to an object without a prototype, so that a member of `Object.prototype` cannot replace one
 * that the object lacks.
 */
export function ownMembers<T extends object>(value: T): T {
  return { __proto__: null, ...value };
}

/** An object's own member; undefined if it has none of that name. Inherited members do not count. */
export function ownMember<T extends object, K extends keyof T>(value: T, name: K): T[K] | undefined {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}
