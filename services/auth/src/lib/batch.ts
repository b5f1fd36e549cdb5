import { createSharedRun } from "./shared-run.ts";

/**
 * Gathers what is asked for: what comes while a load is in flight goes into the next one, so a lone key waits for
 * nothing and a crowd shares its loads.
 *
 * @param load what is known of these keys
 * @returns asks for one key; fails as its load does
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
