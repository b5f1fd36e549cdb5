import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { base64url } from "../core/access-token.fixture.ts";
import { PosternError } from "../core/postern-error.ts";
import { listen } from "../guard/listening.fixture.ts";
import type { TestIssuer, TestTokenOptions } from "../testing/index.ts";
import { Opened, refuses } from "./verifier.fixture.ts";
import type { Verifier } from "./verifier.ts";

const opened = new Opened();
let issuer: TestIssuer;
let verifier: Verifier;
/** A token that is accepted before and after each attack. */
let good: string;
/** The issuer's public key. */
let jwk: JsonWebKey & { readonly kid: string };

beforeEach(async () => {
  ({ issuer, verifier } = await opened.pair());
  good = await issuer.token();
  const response = await fetch(`${issuer.url}/.well-known/jwks.json`);
  [jwk] = ((await response.json()) as { keys: [typeof jwk] }).keys;
  await verifier.verify(good);
});
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await verifier.verify(good);
  await opened.closeAll();
});

const json = (value: unknown) => base64url(JSON.stringify(value));
const claimsOf = (token: string) => token.split(".")[1] ?? "";
const signatureOf = (token: string) => Buffer.from(token.split(".")[2] ?? "", "base64url");
const withoutSignature = (token: string) => token.slice(0, token.lastIndexOf("."));
const headerWith = (more: object) => ({ alg: "ES256", typ: "at+jwt", kid: jwk.kid, ...more });

/** Signed with the given key; by default with the attacker's. */
function signed(header: object, claims: string, key?: KeyObject): string {
  const privateKey = key ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const input = `${json(header)}.${claims}`;
  const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${input}.${base64url(signature)}`;
}
function mac(claims: string, secret: string | Buffer, kid: string): string {
  const input = `${json({ alg: "HS256", typ: "at+jwt", kid })}.${claims}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}
/** An issuer that signs any payload, and a verifier for it. */
async function ownIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = [{ kid: jwk.kid, alg: "ES256", ...publicKey.export({ format: "jwk" }) }];
  const server = opened.own(await listen((_, response) => response.end(JSON.stringify({ keys }))));
  return {
    verifier: opened.verifier({
      issuer: "https://auth.example.com",
      audience: "test",
      jwksUri: server.url,
      revocations: false,
    }),
    token: (claims: string) => signed(headerWith({}), claims, privateKey),
  };
}
async function refusesAll(tokens: readonly unknown[], code: PosternError["code"]): Promise<void> {
  for (const token of tokens) await refuses(verifier, token, code);
}
const refusesClaims = async (claims: TestTokenOptions["claims"] & object, code: PosternError["code"]) =>
  refuses(verifier, await issuer.token({ claims }), code);

describe("signature and header", () => {
  test("A01 alg none, or no signature", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      const head = `${json(headerWith({ alg }))}.${claimsOf(good)}`;
      await refusesAll([`${head}.`, `${head}.AAAA`, head], "ERR_TOKEN_MALFORMED");
    }
    await refusesAll([`${withoutSignature(good)}.`, withoutSignature(good)], "ERR_TOKEN_MALFORMED");
  });

  test("A02 a MAC made with the public key", async () => {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const pem = key.export({ type: "spki", format: "pem" }).toString();
    const secrets = [
      pem,
      ` ${pem}`,
      `\n${pem}`,
      key.export({ type: "spki", format: "der" }),
      JSON.stringify(jwk),
    ];
    await refusesAll(
      secrets.map((secret) => mac(claimsOf(good), secret, jwk.kid)),
      "ERR_TOKEN_MALFORMED",
    );
  });

  test("A02 an algorithm that is not the key's", async () => {
    for (const alg of ["EdDSA", "RS256"]) {
      await refuses(verifier, signed(headerWith({ alg }), claimsOf(good)), "ERR_TOKEN_INVALID");
    }
  });

  test("A04 a header with its own key, and an attacker's key under an ID of the issuer's", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const own = headerWith({ jwk: publicKey.export({ format: "jwk" }) });
    await refuses(verifier, signed(own, claimsOf(good), privateKey), "ERR_TOKEN_MALFORMED");
    await refuses(verifier, signed(headerWith({}), claimsOf(good), privateKey), "ERR_TOKEN_INVALID");
  });

  test.each(["jku", "x5u"])("A05 a header with %s: nothing is fetched", async (name) => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const header = headerWith({ [name]: "http://169.254.169.254/latest/meta-data" });
    await refuses(verifier, signed(header, claimsOf(good)), "ERR_TOKEN_MALFORMED");
    expect(fetched).not.toHaveBeenCalled();
  });

  test("A07 kid with a path, a URL or a query", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const named = (kid: unknown) => signed(headerWith({ kid }), claimsOf(good));
    await refusesAll(["__proto__", "constructor", "toString", "valueOf"].map(named), "ERR_KEY_UNKNOWN");
    const malformed = [
      "' OR 1=1--",
      "../../dev/null",
      "k".repeat(5_000),
      "k".repeat(65_536),
      "\u0000",
      "",
      1,
      null,
    ];
    await refusesAll(malformed.map(named), "ERR_TOKEN_MALFORMED");
    expect(fetched).not.toHaveBeenCalled();
  });

  test("A08 an unknown key is not an empty key", async () => {
    await refuses(verifier, mac(claimsOf(good), "", "unknown"), "ERR_TOKEN_MALFORMED");
    await refuses(verifier, signed(headerWith({ kid: "unknown" }), claimsOf(good)), "ERR_KEY_UNKNOWN");
  });

  test.each([{ crit: ["x"] }, { crit: [] }, { crit: ["b64"], b64: false }])("A11 %j", async (more) => {
    await refuses(verifier, signed(headerWith(more), claimsOf(good)), "ERR_TOKEN_MALFORMED");
  });

  test.each(["JWT", "at+JWT", "logout+jwt", "", undefined])("A13 typ %j", async (typ) => {
    await refuses(verifier, signed(headerWith({ typ }), claimsOf(good)), "ERR_TOKEN_MALFORMED");
  });

  test("A14 a refresh token, and other secrets", async () => {
    await refusesAll([`ptn_rt_${"0".repeat(83)}`, `ptn_st_${"0".repeat(49)}`], "ERR_TOKEN_MALFORMED");
  });

  test("A16 a revoked token with its signature written as (r, n - s) is still revoked", async () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const token = await issuer.token();
    const [r, s] = [signatureOf(token).subarray(0, 32), signatureOf(token).subarray(32)];
    const other = (order - BigInt(`0x${s.toString("hex")}`)).toString(16).padStart(64, "0");
    const rewritten = `${withoutSignature(token)}.${base64url(Buffer.concat([r, Buffer.from(other, "hex")]))}`;
    expect(rewritten).not.toBe(token);
    expect((await verifier.verify(rewritten)).claims).toEqual((await verifier.verify(token)).claims);
    issuer.revoke({ token: rewritten });
    await issuer.synced(verifier);
    await refusesAll([token, rewritten], "ERR_TOKEN_REVOKED");
  });

  test("A17 A25 a signature that is truncated, lengthened, zero, garbage or another token's", async () => {
    const whole = signatureOf(good);
    const others = [whole.subarray(0, -1), whole.subarray(0, 32), Buffer.concat([whole, Buffer.of(0)])];
    others.push(Buffer.alloc(64), Buffer.alloc(64, 0xff), Buffer.of(0), signatureOf(await issuer.token()));
    for (const bytes of others) {
      await refuses(verifier, `${withoutSignature(good)}.${base64url(bytes)}`, "ERR_TOKEN_INVALID");
    }
    for (let length = 0; length < good.length; length += 1) {
      await expect(verifier.verify(good.slice(0, length))).rejects.toThrow(PosternError);
    }
  });

  test("A22 an encrypted token", async () => {
    const header = json({ alg: "dir", enc: "A256GCM", zip: "DEF" });
    await refuses(verifier, `${header}.AA.AA.AA.AA`, "ERR_TOKEN_MALFORMED");
  });

  test.each([8_193, 65_536, 1_048_576, 50_000_000])(
    "A23 %i characters: nothing is parsed",
    async (length) => {
      const parse = vi.spyOn(JSON, "parse");
      await refusesAll(
        ["A".repeat(length), good.padEnd(length, "A"), ".".repeat(length)],
        "ERR_TOKEN_MALFORMED",
      );
      expect(parse).not.toHaveBeenCalled();
    },
  );

  test("A26 the payload of one token with the signature of a cached one", async () => {
    const other = await issuer.token({ roles: ["admin"] });
    await verifier.verify(other);
    const mixed = [`${withoutSignature(other)}.${base64url(signatureOf(good))}`];
    mixed.push(`${withoutSignature(good)}.${base64url(signatureOf(other))}`);
    mixed.push(`${good.split(".")[0]}.${claimsOf(other)}.${base64url(signatureOf(good))}`);
    await refusesAll(mixed, "ERR_TOKEN_INVALID");
    expect((await verifier.verify(good)).roles).toEqual([]);
    expect((await verifier.verify(other)).roles).toEqual(["admin"]);
  });
});

describe("claims", () => {
  test.each(["[]", '["a"]', '"text"', "1", "null", "true", "{}"])(
    "A19 %s instead of claims",
    async (text) => {
      await refuses(verifier, signed(headerWith({}), base64url(text)), "ERR_TOKEN_INVALID");
      const own = await ownIssuer();
      await refuses(own.verifier, own.token(base64url(text)), "ERR_TOKEN_MALFORMED");
    },
  );

  test("the payload of a token with a wrong signature or an unknown key is never parsed", async () => {
    const parsed = vi.spyOn(JSON, "parse");
    const forged = base64url(JSON.stringify({ forged: true }));
    await refuses(verifier, signed(headerWith({}), forged), "ERR_TOKEN_INVALID");
    await refuses(verifier, signed(headerWith({ kid: "unknown" }), forged), "ERR_KEY_UNKNOWN");
    expect(parsed.mock.calls.filter(([text]) => text.includes("forged"))).toEqual([]);
    const own = await ownIssuer();
    await refuses(own.verifier, own.token(forged), "ERR_TOKEN_MALFORMED");
    expect(parsed.mock.calls.filter(([text]) => text.includes("forged"))).toHaveLength(1);
  });

  test("a payload that is nested too deep is refused, even with a valid signature", async () => {
    const own = await ownIssuer();
    const depth = 2_900;
    const deep = base64url("[".repeat(depth) + "]".repeat(depth));
    const parsed = vi.spyOn(JSON, "parse");
    await refuses(own.verifier, own.token(deep), "ERR_TOKEN_MALFORMED");
    expect(parsed.mock.calls.filter(([text]) => text.startsWith("[["))).toEqual([]);
  });

  test("A20 claims named __proto__ and constructor, signed by the issuer, have no effect", async () => {
    const claims = JSON.parse('{"__proto__":{"roles":["admin"],"admin":true},"constructor":{"admin":true}}');
    const verified = await verifier.verify(await issuer.token({ claims }));
    expect([verified.roles, verified.claims.roles]).toEqual([[], undefined]);
    expect((verified.claims as unknown as Record<string, unknown>)["admin"]).toBeUndefined();
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  test("B02 nbf and exp near their limits", async () => {
    const now = Math.floor(Date.now() / 1_000);
    await verifier.verify(await issuer.token({ claims: { nbf: now + 8, iat: now + 8 } }));
    await verifier.verify(await issuer.token({ expiresIn: -5 }));
    await refusesClaims({ nbf: now + 60 }, "ERR_TOKEN_INVALID");
    await refuses(verifier, await issuer.token({ expiresIn: -60 }), "ERR_TOKEN_EXPIRED");
  });

  test("B03 issued in the future", async () => {
    const later = Math.floor(Date.now() / 1_000) + 3_600;
    await refusesClaims({ iat: later, exp: later + 300 }, "ERR_TOKEN_INVALID");
  });

  test("a lifetime that is too long, zero or negative", async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (const exp of [now + 3_601, now, now - 1]) {
      await refusesClaims({ iat: now, exp }, "ERR_TOKEN_INVALID");
    }
  });

  test.each(["exp", "iat", "nbf", "auth_time", "rev"])(
    "half a second, and other odd numbers: %s",
    async (name) => {
      const now = Math.floor(Date.now() / 1_000);
      for (const odd of [now + 0.5, -1, 2 ** 53, `${now}`, null, [now], true, undefined]) {
        await refusesClaims({ [name]: odd }, "ERR_TOKEN_MALFORMED");
      }
    },
  );

  test("B05 an issuer that is almost this one", async () => {
    const { url } = issuer;
    const almost = [
      `${url}/`,
      url.replace("http", "HTTP"),
      url.slice(0, -1),
      `${url}.evil.example`,
      ` ${url}`,
    ];
    for (const iss of almost) await refusesClaims({ iss }, "ERR_TOKEN_INVALID");
    for (const iss of [[url], "", null, { url }]) await refusesClaims({ iss }, "ERR_TOKEN_MALFORMED");
  });

  test("another audience, or almost this one", async () => {
    const almost = ["other", "TEST", "test ", "tes", "test/"];
    for (const one of almost)
      await refuses(verifier, await issuer.token({ audience: one }), "ERR_TOKEN_INVALID");
    await refuses(verifier, await issuer.token({ audience: almost }), "ERR_TOKEN_INVALID");
    for (const aud of ["test", [], [["test"]], null, { 0: "test" }])
      await refusesClaims({ aud }, "ERR_TOKEN_MALFORMED");
  });

  test("B06 a subject of another type or size", async () => {
    for (const sub of [{}, 1, "", "ada", "x".repeat(5_000), null, ["usr_01h2xcejqtf2nbrexx3vqjhp41"]]) {
      await refusesClaims({ sub }, "ERR_TOKEN_MALFORMED");
    }
  });
});

describe("time passes", () => {
  test("A26 a cached token expires too", async () => {
    const token = await issuer.token({ expiresIn: 60 });
    await verifier.verify(token);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 69_000 });
    // The data is too old by then, too.
    issuer.revoke({ sessionId: issuer.newId("ses") });
    await issuer.synced(verifier);
    await verifier.verify(token);
    vi.setSystemTime(Date.now() + 2_000);
    await refuses(verifier, token, "ERR_TOKEN_EXPIRED");
  });

  test("a token that has expired by the issuer's clock is refused, even if this machine's clock is behind", async () => {
    // The log drops entries by the issuer's clock. Their tokens must stay refused.
    const token = await issuer.token({ expiresIn: -60 });
    await refuses(verifier, token, "ERR_TOKEN_EXPIRED");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 90_000 });
    await refuses(verifier, token, "ERR_TOKEN_EXPIRED");
  });
});

describe("garbage", () => {
  test.each<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["a number", 1],
    ["NaN", Number.NaN],
    ["a bigint", 1n],
    ["a symbol", Symbol("token")],
    ["an object", {}],
    [
      "an object that acts as a text",
      { length: 1, toString: () => "a.b.c", slice: () => "c", lastIndexOf: () => 1 },
    ],
    ["a list of a token", ["a.b.c"]],
    ["a String", new String("a.b.c")],
    ["bytes", Buffer.from("a.b.c")],
    ["a function", () => "a.b.c"],
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("trap");
          },
        },
      ),
    ],
    ["nothing", ""],
    ["dots", ".."],
    ["a line break", "a.b.c\n"],
    ["a NUL", "\0"],
    ["half a surrogate pair", "\ud800.\ud800.\ud800"],
    ["letters beyond ASCII", "é.é.é"],
    ["__proto__", "__proto__.__proto__.__proto__"],
    ["deep nesting", `${base64url("[".repeat(3_000))}.${base64url("[".repeat(2_000))}.AA`],
  ])("I01 is refused as malformed, and nothing else is thrown: %s", async (_, token) => {
    await refuses(verifier, token, "ERR_TOKEN_MALFORMED");
  });

  test("I01 two tokens with a comma or a space between, and a scheme before one", async () => {
    const joined = [
      `${good},${good}`,
      `${good}, ${good}`,
      `${good} ${good}`,
      `Bearer ${good}`,
      ` ${good}`,
      `${good}\t`,
    ];
    await refusesAll(joined, "ERR_TOKEN_MALFORMED");
  });

  test("errors contain no part of the token", async () => {
    const token = await issuer.token({ audience: "other", clientId: "a-secret-name" });
    const error = await verifier.verify(token).catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(PosternError);
    const text = `${(error as Error).stack} ${JSON.stringify(error)}`;
    for (const part of [...token.split("."), "a-secret-name"]) expect(text).not.toContain(part);
  });
});
