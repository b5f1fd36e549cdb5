/**
 * Removes items from the front of a set, which is in the order of insertion, up to the first one that is not exempt.
 * Exempt items stay exempt, so each is passed over only once.
 * @returns the oldest item that is not exempt; undefined: there is none
 */
export function takeOldest<T>(items: Set<T>, isExempt: (item: T) => boolean): T | undefined {
  for (const item of items) {
    items.delete(item);
    if (!isExempt(item)) return item;
  }
  return undefined;
}
