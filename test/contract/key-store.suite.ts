import { expect, test } from "vitest";
import type { KeyPurpose, KeyStore, NewKey } from "../../services/auth/src/domain/ports/key-store.ts";
import { newId } from "../support/stores.ts";

/** Two views of one store without keys, as two replicas have. */
export interface KeyStoreFixture extends AsyncDisposable {
  readonly stores: readonly [KeyStore, KeyStore];
}

/** What every key store must do; each test gets a store without keys. */
export function keyStoreSuite(open: () => Promise<KeyStoreFixture>): void {
  test("an empty store has no keys", async () => {
    await using fixture = await open();
    expect(await fixture.stores[0].list()).toEqual([]);
  });

  test("a key is given back as it was made, active and numbered", async () => {
    await using fixture = await open();
    const [keys, other] = fixture.stores;
    const made = [newKey("signing"), newKey("refresh")];
    for (const key of made) await keys.addFirst(key);
    const found = await other.list();
    expect(found.map(({ number, createdAt, state, ...key }) => key)).toEqual(made);
    expect(found.map(({ state }) => state)).toEqual(["active", "active"]);
    const [first, second] = found.map(({ number }) => number);
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(first ?? Number.NaN);
    expect(found[0]?.createdAt).toBeInstanceOf(Date);
  });

  test.each(["signing", "refresh"] as const)("a second first %s key is not kept", async (purpose) => {
    await using fixture = await open();
    const [keys, other] = fixture.stores;
    const first = newKey(purpose);
    await keys.addFirst(first);
    await other.addFirst(newKey(purpose));
    expect((await keys.list()).map(({ id }) => id)).toEqual([first.id]);
  });

  test("of many replicas that add the first keys at once one key of each purpose stays", async () => {
    await using fixture = await open();
    const [keys, other] = fixture.stores;
    const tries = Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? keys : other).addFirst(newKey(i % 4 < 2 ? "signing" : "refresh")),
    );
    await Promise.all(tries);
    const purposes = (await keys.list()).map(({ purpose }) => purpose);
    expect(purposes.sort()).toEqual(["refresh", "signing"]);
  });
}

function newKey(purpose: KeyPurpose): NewKey {
  const id = newId();
  const sealed = Buffer.from(id);
  if (purpose === "refresh") return { id, purpose, alg: "HS256", publicJwk: undefined, sealed };
  const publicJwk = { kid: id, alg: "EdDSA", use: "sig", kty: "OKP", crv: "Ed25519", x: "AA" } as const;
  return { id, purpose, alg: "EdDSA", publicJwk, sealed };
}
