import { withoutDeadline } from "./deadline.ts";

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
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: { readonly keys: Set<K>; readonly loaded: Promise<ReadonlyMap<K, V>> } | undefined;

  function open() {
    const keys = new Set<K>();
    const loaded = withoutDeadline(() =>
      inFlight.then(() => {
        next = undefined;
        const loading = load(keys);
        inFlight = loading.catch(() => {});
        return loading;
      }),
    );
    return { keys, loaded };
  }

  return async (key) => {
    next ??= open();
    const { keys, loaded } = next;
    keys.add(key);
    return (await loaded).get(key);
  };
}
