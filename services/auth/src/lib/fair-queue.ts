/** Items that wait, each under a key. The keys take turns, so a key with many items does not delay the others. */
export interface FairQueue<T> {
  readonly size: number;
  /** The number of keys that have items. */
  readonly keys: number;
  /** The number of items under a key. */
  count(key: object): number;
  add(key: object, item: T): void;
  delete(key: object, item: T): void;
  /** Removes the oldest item of the key whose turn it is. */
  take(): T | undefined;
  /** Removes all items of a key. */
  takeAll(key: object): readonly T[];
}

export function createFairQueue<T>(): FairQueue<T> {
  /** The key whose turn it is comes first. */
  const queues = new Map<object, Set<T>>();
  let size = 0;

  function remove(key: object, queue: Set<T>, item: T): void {
    if (!queue.delete(item)) return;
    size -= 1;
    if (queue.size === 0) queues.delete(key);
  }
  return {
    get size() {
      return size;
    },
    get keys() {
      return queues.size;
    },
    count: (key) => queues.get(key)?.size ?? 0,
    add(key, item) {
      const queue = queues.get(key) ?? new Set();
      if (queue.size === 0) queues.set(key, queue);
      queue.add(item);
      size += 1;
    },
    delete(key, item) {
      const queue = queues.get(key);
      if (queue !== undefined) remove(key, queue, item);
    },
    take() {
      for (const [key, queue] of queues) {
        queues.delete(key);
        if (queue.size > 1) queues.set(key, queue);
        for (const item of queue) {
          remove(key, queue, item);
          return item;
        }
      }
      return undefined;
    },
    takeAll(key) {
      const items = [...(queues.get(key) ?? [])];
      queues.delete(key);
      size -= items.length;
      return items;
    },
  };
}
