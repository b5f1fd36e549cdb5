import { createHmac } from "node:crypto";
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { type ParsedAccessToken, parseAccessToken } from "../../../client/src/core/access-token.ts";
import { checkClaims } from "../../../client/src/core/claims.ts";
import { RevocationSet } from "../../../client/src/core/revocation-set.ts";
import { MasterKeyError, type SigningKey } from "../domain/ports/key-material.ts";
import type { SigningAlg, StoredKey } from "../domain/ports/key-store.ts";
import { masterKey, otherMasterKey, stored } from "./key-material.fixture.ts";
import { createKeyMaterial } from "./key-material.ts";

const algs: SigningAlg[] = ["ES256", "EdDSA", "RS256"];
const material = createKeyMaterial({ masterKeys: [masterKey] });
const ids: Record<SigningAlg, string> = {
  ES256: "0188bac7-4afa-78aa-bc3b-bd1eef28d881",
  EdDSA: "0188bac7-4afa-78aa-bc3b-bd1eef28d882",
  RS256: "0188bac7-4afa-78aa-bc3b-bd1eef28d883",
};
const refreshId = "0188bac7-4afa-78aa-bc3b-bd1eef28d884";
const issuedAt = 1_790_000_000;
const payload = {
  iss: "https://auth.example.com",
  sub: "usr_01h2xcejqtf2nbrexx3vqjhp41",
  aud: ["orders"],
  exp: issuedAt + 300,
  iat: issuedAt,
  nbf: issuedAt - 5,
  jti: "tok_01h2xcejqtf2nbrexx3vqjhp42",
  sid: "ses_01h2xcejqtf2nbrexx3vqjhp43",
  client_id: "shop",
  scope: "",
  amr: ["pwd"],
  auth_time: issuedAt,
  rev: 7,
};

const rows = new Map<SigningAlg, StoredKey>();
const keys = new Map<SigningAlg, SigningKey>();
let ring: ReadonlyMap<string, SigningKey>;

beforeAll(async () => {
  for (const alg of algs) {
    const row = stored(await material.generate("signing", ids[alg], alg));
    rows.set(alg, row);
    keys.set(alg, material.openSigningKey(row));
  }
  ring = new Map([...keys.values()].map((key) => [key.kid, key]));
});

const rowOf = (alg: SigningAlg) => rows.get(alg) as StoredKey;
const keyOf = (alg: SigningAlg) => keys.get(alg) as SigningKey;
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

function mint(key: SigningKey, header: object = { alg: key.alg, typ: "at+jwt", kid: key.kid }): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${Buffer.from(key.sign(Buffer.from(input))).toString("base64url")}`;
}

/** What a verifier does: the key's own algorithm decides, and a key that is unknown decides nothing. */
function verified(token: string): ParsedAccessToken | undefined {
  let parsed: ParsedAccessToken;
  try {
    parsed = parseAccessToken(token);
  } catch {
    return undefined;
  }
  const key = ring.get(parsed.header.kid);
  if (key === undefined || key.alg !== parsed.header.alg) return undefined;
  return key.verify(parsed.signingInput, parsed.signature) ? parsed : undefined;
}

function withSignature(token: string, change: (signature: Buffer) => Uint8Array): string {
  const end = token.lastIndexOf(".") + 1;
  const signature = change(Buffer.from(token.slice(end), "base64url"));
  return token.slice(0, end) + Buffer.from(signature).toString("base64url");
}

describe.each(algs)("a signing key for %s", (alg) => {
  test("signs what it and the strict checks accept", () => {
    const parsed = verified(mint(keyOf(alg)));
    expect(parsed?.header.kid).toBe(keyOf(alg).kid);
    checkClaims((parsed as ParsedAccessToken).claims, { issuer: payload.iss, nowSeconds: issuedAt });
  });

  test("signs what jose accepts by the published key", async () => {
    const jwks = createLocalJWKSet({ keys: [...keys.values()].map((key) => ({ ...key.publicJwk })) });
    const result = await jwtVerify(mint(keyOf(alg)), jwks, {
      algorithms: [alg],
      typ: "at+jwt",
      currentDate: new Date(issuedAt * 1000),
    });
    expect(result.payload).toEqual(payload);
  });

  test("publishes its id and nothing secret", () => {
    const { publicJwk } = rowOf(alg);
    expect(publicJwk).toMatchObject({ alg, use: "sig", kid: expect.stringMatching(/^key_[0-9a-z]{26}$/) });
    expect(Object.keys(publicJwk ?? {}).toSorted()).toEqual(
      {
        ES256: ["alg", "crv", "kid", "kty", "use", "x", "y"],
        EdDSA: ["alg", "crv", "kid", "kty", "use", "x"],
        RS256: ["alg", "e", "kid", "kty", "n", "use"],
      }[alg],
    );
    expect(keyOf(alg).publicJwk).toEqual(publicJwk);
  });

  test("publishes the public part of its private key, and ignores the store's", () => {
    const other = rowOf(alg === "ES256" ? "EdDSA" : "ES256");
    const opened = material.openSigningKey(
      stored(rowOf(alg), { publicJwk: other.publicJwk, alg: other.alg }),
    );
    expect(opened.publicJwk).toEqual(rowOf(alg).publicJwk);
    expect(opened.alg).toBe(alg);
  });

  test("A17 a truncated, lengthened, empty or garbage signature is refused and nothing is thrown", () => {
    const data = Buffer.from("data");
    const signature = Buffer.from(keyOf(alg).sign(data));
    for (let length = 0; length < signature.length; length++) {
      expect(keyOf(alg).verify(data, signature.subarray(0, length))).toBe(false);
    }
    expect(keyOf(alg).verify(data, Buffer.concat([signature, Buffer.of(0)]))).toBe(false);
    expect(keyOf(alg).verify(data, Buffer.alloc(signature.length))).toBe(false);
    expect(keyOf(alg).verify(data, Buffer.alloc(signature.length, 255))).toBe(false);
    expect(keyOf(alg).verify(Buffer.from("other"), signature)).toBe(false);
    expect(keyOf(alg).verify(data, signature)).toBe(true);
  });

  test("A25 every truncation of its token is refused", () => {
    const token = mint(keyOf(alg));
    for (let length = 0; length < token.length; length++) {
      expect(verified(token.slice(0, length))).toBeUndefined();
    }
  });

  test("another key's algorithm under its id is refused", () => {
    for (const named of algs.filter((other) => other !== alg)) {
      expect(verified(mint(keyOf(alg), { alg: named, typ: "at+jwt", kid: keyOf(alg).kid }))).toBeUndefined();
      expect(verified(mint(keyOf(alg), { alg, typ: "at+jwt", kid: keyOf(named).kid }))).toBeUndefined();
    }
  });
});

describe("forged access tokens", () => {
  test("A02 A08 an HMAC by the public key, or by an empty key, is refused", () => {
    const key = keyOf("ES256");
    for (const secret of ["", JSON.stringify(key.publicJwk)]) {
      for (const alg of ["HS256", "ES256"]) {
        const input = `${base64url({ alg, typ: "at+jwt", kid: key.kid })}.${base64url(payload)}`;
        const mac = createHmac("sha256", secret).update(input).digest("base64url");
        expect(verified(`${input}.${mac}`)).toBeUndefined();
      }
    }
  });

  test("A04 A07 an attacker's key is not found, embedded or by any kid", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    const jwk = await exportJWK(publicKey);
    const headers = [
      { alg: "ES256", typ: "at+jwt", kid: keyOf("ES256").kid },
      { alg: "ES256", typ: "at+jwt", kid: keyOf("ES256").kid, jwk },
      { alg: "ES256", typ: "at+jwt", kid: "__proto__" },
      { alg: "ES256", typ: "at+jwt", kid: "constructor" },
    ];
    for (const header of headers) {
      const token = await new SignJWT(payload).setProtectedHeader(header).sign(privateKey);
      expect(verified(token)).toBeUndefined();
    }
  });

  test("A16 (r, n - s) verifies and is the same token to a revocation", () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const token = mint(keyOf("ES256"));
    const variant = withSignature(token, (signature) => {
      const s = BigInt(`0x${signature.toString("hex", 32)}`);
      const other = (order - s).toString(16).padStart(64, "0");
      return Buffer.concat([signature.subarray(0, 32), Buffer.from(other, "hex")]);
    });
    expect(variant).not.toBe(token);

    const parsed = verified(variant) as ParsedAccessToken;
    expect(parsed.claims.jti).toBe(payload.jti);

    const revoked = new RevocationSet();
    revoked.add({ seq: 9, target: { kind: "token", id: payload.jti }, forgetAfterMs: issuedAt * 1000 });
    expect(revoked.revokes({ ...parsed.claims, kid: parsed.header.kid })).toBe(true);
  });

  test("A17 Ed25519: S + L and small-order points are refused", () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const token = mint(keyOf("EdDSA"));
    const littleEndian = (value: bigint) =>
      Buffer.from(value.toString(16).padStart(64, "0"), "hex").toReversed();
    const shifted = withSignature(token, (signature) => {
      const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString("hex")}`);
      return Buffer.concat([signature.subarray(0, 32), littleEndian(s + order)]);
    });
    expect(verified(token)).toBeDefined();
    expect(verified(shifted)).toBeUndefined();

    const smallOrder = [
      "0100000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    for (const point of smallOrder) {
      const forged = withSignature(token, () => Buffer.concat([Buffer.from(point, "hex"), Buffer.alloc(32)]));
      expect(verified(forged)).toBeUndefined();
      const kept = withSignature(token, (signature) =>
        Buffer.concat([Buffer.from(point, "hex"), signature.subarray(32)]),
      );
      expect(verified(kept)).toBeUndefined();
    }
  });
});

describe("a refresh key", () => {
  test("is HMAC-SHA-256, the same each time it is opened, and each key another", async () => {
    const row = stored(await material.generate("refresh", refreshId, "ES256"), { number: 4 });
    const other = stored(await material.generate("refresh", refreshId, "ES256"));
    const [first, again] = [material.openRefreshKey(row), material.openRefreshKey(row)];
    const data = Buffer.from("data");
    const mac = first.mac(data);

    expect(row).toMatchObject({ purpose: "refresh", alg: "HS256", publicJwk: undefined });
    expect(first.number).toBe(4);
    expect(mac).toHaveLength(32);
    expect(again.verify(data, mac)).toBe(true);
    expect(again.verify(Buffer.from("date"), mac)).toBe(false);
    expect(material.openRefreshKey(other).verify(data, mac)).toBe(false);
    for (let length = 0; length < 32; length++)
      expect(first.verify(data, mac.subarray(0, length))).toBe(false);
  });
});

describe("sealed keys", () => {
  test("open under no other id and for no other purpose", async () => {
    const signing = rowOf("ES256");
    const refresh = stored(await material.generate("refresh", refreshId, "ES256"));

    expect(() => material.openSigningKey(stored(signing, { id: ids.EdDSA }))).toThrow(MasterKeyError);
    expect(() => material.openSigningKey(stored(signing, { sealed: rowOf("EdDSA").sealed }))).toThrow(
      MasterKeyError,
    );
    expect(() => material.openRefreshKey(signing)).toThrow(MasterKeyError);
    expect(() => material.openSigningKey(refresh)).toThrow(MasterKeyError);
  });

  test("open with the master key that sealed them, at any position, and with no other", () => {
    const added = createKeyMaterial({ masterKeys: [otherMasterKey, masterKey] });
    const wrong = createKeyMaterial({ masterKeys: [otherMasterKey] });

    expect(added.openSigningKey(rowOf("EdDSA")).kid).toBe(keyOf("EdDSA").kid);
    expect(() => wrong.openSigningKey(rowOf("EdDSA"))).toThrow(MasterKeyError);
  });
});
