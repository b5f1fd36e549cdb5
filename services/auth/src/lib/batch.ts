import { createSharedRun } from "./shared-run.ts";

/**
 * Loads keys in batches. Keys that are requested during a load are in the next one, so a single key does not wait, and many
 * keys share loads.
 *
 * @param load returns the values of these keys
 * @returns requests one key; rejects if its load does
 */
export function createBatch<K, V>(
  load: (keys: ReadonlySet<K>) => Promise<ReadonlyMap<K, V>>,
): (key: K) => Promise<V | undefined> {
  let asked = new Set<K>();
  const run = createSharedRun(() => {
    const keys = asked;
    asked = new Set();
    return load(keys);
  });
  return async (key) => {
    asked.add(key);
    return (await run()).get(key);
  };
}
