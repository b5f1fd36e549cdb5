import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readKeySet } from "./key-set.ts";

const pairs = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
};
type Alg = keyof typeof pairs;
const algs = Object.keys(pairs) as Alg[];

const jwkOf = (key: KeyObject): JsonWebKey => key.export({ format: "jwk" });
const publicJwk = (alg: Alg, more: object = {}) => ({
  kid: alg,
  alg,
  use: "sig",
  ...jwkOf(pairs[alg].publicKey),
  ...more,
});
const read = (...keys: unknown[]) => readKeySet(JSON.stringify({ keys }));
/** IDs of the keys that are read from a set of a valid key and another one. */
const leftOf = (key: unknown) => [...(read(key, publicJwk("ES256", { kid: "good" }))?.keys() ?? [])];

const data = Buffer.from("signed");
function signed(alg: Alg, key: KeyObject = pairs[alg].privateKey): Buffer {
  return sign(alg === "EdDSA" ? null : "sha256", data, { key, dsaEncoding: "ieee-p1363" });
}

test("reads a key of each algorithm, which verifies only that algorithm", () => {
  const keys = read(...algs.map((alg) => publicJwk(alg)));

  expect([...(keys?.values() ?? [])].map(({ kid, alg }) => [kid, alg])).toEqual(
    algs.map((alg) => [alg, alg]),
  );
  for (const alg of algs) {
    for (const other of algs) expect(keys?.get(alg)?.verify(data, signed(other))).toBe(alg === other);
    expect(keys?.get(alg)?.verify(Buffer.from("other"), signed(alg))).toBe(false);
  }
});

test("a signature in DER is refused", () => {
  const der = sign("sha256", data, pairs.ES256.privateKey);
  expect(read(publicJwk("ES256"))?.get("ES256")?.verify(data, der)).toBe(false);
});

test("A17 a truncated, lengthened, empty or garbage signature is refused and nothing is thrown", () => {
  const keys = read(...algs.map((alg) => publicJwk(alg)));
  for (const alg of algs) {
    const good = signed(alg);
    const bad: Buffer[] = [0, 1, 32, 63, 64, 65, 96, 255, 256, 257, 4096].map((length) =>
      Buffer.alloc(length, 0xff),
    );
    bad.push(Buffer.alloc(64), Buffer.alloc(256), good.subarray(0, -1), Buffer.concat([good, Buffer.of(0)]));
    for (const signature of bad) expect(keys?.get(alg)?.verify(data, signature)).toBe(false);
  }
});

test.each(algs)("the algorithm of a key must match its type: %s", (alg) => {
  for (const other of [
    ...algs.filter((one) => one !== alg),
    "HS256",
    "PS256",
    "ES384",
    "none",
    "",
    null,
    1,
  ]) {
    expect(leftOf(publicJwk(alg, { alg: other }))).toEqual(["good"]);
  }
  const { alg: _, ...without } = publicJwk(alg);
  expect(leftOf(without)).toEqual(["good"]);
});

test.each(algs)("a private part is ignored: %s", (alg) => {
  const secret = { ...publicJwk(alg), ...jwkOf(pairs[alg].privateKey) };
  const key = read(secret)?.get(alg);
  expect(key?.verify(data, signed(alg))).toBe(true);
  expect(key?.jwk).toBe(read(publicJwk(alg))?.get(alg)?.jwk);
  expect(key?.jwk).not.toContain(secret.d);
  // One that does not belong to the public part changes nothing either.
  expect(
    read({ ...secret, d: "AAAA" })
      ?.get(alg)
      ?.verify(data, signed(alg)),
  ).toBe(true);
});

test("A10 two keys with the same ID: the set is refused", () => {
  expect(read(publicJwk("ES256"), publicJwk("EdDSA"), publicJwk("RS256", { kid: "ES256" }))).toBeUndefined();
  expect(read(publicJwk("ES256"), publicJwk("ES256"))).toBeUndefined();
});

describe("a weak or wrong key is left out:", () => {
  const rsa = (options: object) =>
    jwkOf(generateKeyPairSync("rsa", { modulusLength: 2048, ...options }).publicKey);
  const rs256 = (key: object) => ({ kid: "k", alg: "RS256", ...key });
  const ec = (namedCurve: string) => jwkOf(generateKeyPairSync("ec", { namedCurve }).publicKey);
  const flipped = (text = "") => (text.startsWith("A") ? "B" : "A") + text.slice(1);
  test.each<[string, object]>([
    ["RSA of 1,024 bits", rs256(rsa({ modulusLength: 1024 }))],
    ["RSA of 2,047 bits", rs256(rsa({ modulusLength: 2047 }))],
    ["RSA with the exponent 3", rs256(rsa({ publicExponent: 3 }))],
    ["RSA with the exponent 1", publicJwk("RS256", { e: "AQ" })],
    ["RSA with an empty modulus", publicJwk("RS256", { n: "" })],
    ["RSA with a curve", publicJwk("RS256", { crv: "P-256" })],
    ["P-384", { kid: "k", alg: "ES256", ...ec("P-384") }],
    ["P-384 that calls itself P-256", { kid: "k", alg: "ES256", ...ec("P-384"), crv: "P-256" }],
    ["secp256k1", { kid: "k", alg: "ES256", ...ec("secp256k1") }],
    ["a point that is not on the curve", publicJwk("ES256", { y: flipped(publicJwk("ES256").y) })],
    ["half a point", publicJwk("ES256", { y: undefined })],
    ["A08 an empty point", publicJwk("ES256", { x: "", y: "" })],
    ["X25519", { kid: "k", alg: "EdDSA", ...jwkOf(generateKeyPairSync("x25519").publicKey) }],
    ["Ed448", { kid: "k", alg: "EdDSA", ...jwkOf(generateKeyPairSync("ed448").publicKey) }],
    ["an Ed25519 key cut short", publicJwk("EdDSA", { x: publicJwk("EdDSA").x?.slice(4) })],
    ["A02 a secret", { kid: "k", alg: "HS256", kty: "oct", k: "c2VjcmV0" }],
    ["A08 an empty secret", { kid: "k", alg: "ES256", kty: "oct", k: "" }],
    ["a key to encrypt with", publicJwk("ES256", { use: "enc" })],
    ["a key for signing alone", publicJwk("ES256", { use: undefined, key_ops: ["sign"] })],
    ["`key_ops` of no list", publicJwk("ES256", { key_ops: "verify" })],
    ["a member of another type", publicJwk("ES256", { x: [publicJwk("ES256").x] })],
    ["a number for a member", publicJwk("EdDSA", { x: 1 })],
  ])("%s", (_, key) => expect(leftOf(key)).toEqual(["good"]));

  test.each([undefined, null, 1, "", "a b", "../k", "k".repeat(65), ["k"], {}])("kid %j", (kid) => {
    expect(leftOf(publicJwk("ES256", { kid }))).toEqual(["good"]);
  });

  test.each([null, 1, "key", true, [], [[]], {}])("%j instead of a key", (key) => {
    expect(leftOf(key)).toEqual(["good"]);
  });
});

test("a key for verifying, without `use` and with unknown members, is accepted", () => {
  const key = publicJwk("ES256", { use: undefined, key_ops: ["verify"], x5u: "http://127.0.0.1", ext: true });
  expect(read(key)?.get("ES256")?.verify(data, signed("ES256"))).toBe(true);
});

test("A07 names of Object.prototype are names like any other, and nothing is inherited", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  expect([...(read(...names.map((kid) => publicJwk("ES256", { kid })))?.keys() ?? [])]).toEqual(names);
  for (const alg of names) {
    expect(leftOf(publicJwk("ES256", { kid: "k", alg }))).toEqual(["good"]);
    expect(leftOf({ kid: "k", alg })).toEqual(["good"]);
  }
  const inherited = `{"keys":[{"__proto__":${JSON.stringify(publicJwk("ES256"))}}]}`;
  expect(readKeySet(inherited)).toBeUndefined();
  expect(readKeySet(`{"__proto__":${JSON.stringify({ keys: [publicJwk("ES256")] })}}`)).toBeUndefined();
  expect(read(publicJwk("ES256"))?.get("toString")).toBeUndefined();
});

test("a member of Object.prototype is not a member of a key", () => {
  const prototype = Object.prototype as Record<string, unknown>;
  try {
    Object.assign(prototype, { ...publicJwk("ES256"), keys: [publicJwk("ES256")] });
    const { alg: _, ...without } = publicJwk("EdDSA");
    expect([read({}), read(without), readKeySet("{}")]).toEqual([undefined, undefined, undefined]);
  } finally {
    for (const name of [...Object.keys(publicJwk("ES256")), "keys"]) delete prototype[name];
  }
});

describe("not a key set:", () => {
  const deep = `{"keys":[{"kid":"k","alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":${"[".repeat(30_000)}${"]".repeat(30_000)}}]}`;
  test.each([
    ["nothing", ""],
    ["HTML", "<!doctype html>"],
    ["null", "null"],
    ["a text", '"keys"'],
    ["a list", JSON.stringify([publicJwk("ES256")])],
    ["no keys", "{}"],
    ["an empty list of keys", '{"keys":[]}'],
    ["keys by name", JSON.stringify({ keys: { ES256: publicJwk("ES256") } })],
    ["a key alone", JSON.stringify(publicJwk("ES256"))],
    ["a set without a key that is fit", JSON.stringify({ keys: [publicJwk("ES256", { use: "enc" })] })],
    ["deep nesting", deep],
    ["A28 more than 64 KiB", `${JSON.stringify({ keys: [publicJwk("ES256")] })}${" ".repeat(65_536)}`],
  ])("%s", (_, text) => expect(readKeySet(text)).toBeUndefined());

  test("65 keys", () => {
    const keys = Array.from({ length: 65 }, (_, index) => publicJwk("EdDSA", { kid: `k${index}` }));
    expect(read(...keys.slice(1))?.size).toBe(64);
    expect(read(...keys)).toBeUndefined();
  });
});

describe("a set that follows another", () => {
  const first = read(...algs.map((alg) => publicJwk(alg)));

  test("keeps the objects of the keys that are the same", () => {
    const again = readKeySet(
      JSON.stringify({ keys: algs.map((alg) => publicJwk(alg, { x5t: "new" })) }),
      first,
    );
    for (const alg of algs) expect(again?.get(alg)).toBe(first?.get(alg));
  });

  test("A29 lacks removed keys, and replaces keys that changed under the same ID", () => {
    const other = {
      ...publicJwk("ES256"),
      ...jwkOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey),
    };
    const next = readKeySet(JSON.stringify({ keys: [other, publicJwk("EdDSA", { kid: "RS256" })] }), first);
    expect([...(next?.keys() ?? [])]).toEqual(["ES256", "RS256"]);
    expect(next?.get("ES256")?.verify(data, signed("ES256"))).toBe(false);
    expect(next?.get("RS256")?.verify(data, signed("EdDSA"))).toBe(true);
    expect(next?.get("RS256")?.alg).toBe("EdDSA");
  });
});
