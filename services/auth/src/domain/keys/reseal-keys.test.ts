import { expect, test } from "vitest";
import { ownActor } from "../ports/actor.ts";
import type { StoredKey } from "../ports/key-store.ts";
import { resealKeys } from "./reseal-keys.ts";

/** A store of two keys, and replicas whose first master key is `a` or `b`. A sealed key is the letter of its master key. */
function createKeys() {
  const blobs = new Map(["x", "y"].map((id) => [id, Buffer.from("a")]));
  const keys = {
    list: async () => ({
      version: "v",
      now: new Date(0),
      keys: [...blobs].map(([id, sealed]) => ({ id, sealed }) as unknown as StoredKey),
    }),
    async reseal(id: string, from: Uint8Array, to: Uint8Array) {
      if (blobs.get(id)?.equals(from) !== true) return false;
      blobs.set(id, Buffer.from(to));
      return true;
    },
  };
  const replica = (first: "a" | "b") => {
    const done = new Set<string>();
    const reseal = ({ sealed }: StoredKey) =>
      Buffer.from(sealed).toString() === first ? undefined : Buffer.from(first);
    return () => resealKeys({ keys, material: { reseal } }, ownActor, done);
  };
  return { replica, sealed: () => [...blobs.values()].join() };
}

test("reseals every key under the first master key, and none a second time", async () => {
  const { replica, sealed } = createKeys();
  const run = replica("b");
  expect([await run(), sealed(), await run()]).toEqual([2, "b,b", 0]);
});

test("replicas with different first master keys undo each other's work only once", async () => {
  const { replica, sealed } = createKeys();
  const [before, after] = [replica("a"), replica("b")];
  const counts = [];
  for (let turn = 0; turn < 5; turn++) counts.push(await after(), await before());
  expect(counts).toEqual([2, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
  // After its restart, the other replica has the new master key first, too.
  expect([await replica("b")(), sealed()]).toEqual([2, "b,b"]);
});
