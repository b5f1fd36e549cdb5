import { createHmac, generateKeyPairSync } from "node:crypto";
import { afterEach, describe, expect, test, vi } from "vitest";
import { base64url, compact, header, payload } from "./access-token.fixture.ts";
import { maxTokenLength, parseAccessToken, readPayload, readSignedToken } from "./access-token.ts";
import { PosternError } from "./postern-error.ts";

const good = compact(header, payload);
const malformed = expect.objectContaining({ name: "PosternError", code: "ERR_TOKEN_MALFORMED" });
const refuses = (token: string) => expect(() => parseAccessToken(token)).toThrow(malformed);

afterEach(() => vi.restoreAllMocks());

describe("parseAccessToken", () => {
  test.each(["ES256", "EdDSA", "RS256"])("reads an %s token", (alg) => {
    const token = compact({ ...header, alg }, payload, Uint8Array.of(1, 2, 3));

    const parsed = parseAccessToken(token);

    expect(parsed.header).toEqual({ alg, kid: header.kid });
    expect(parsed.claims).toEqual(payload);
    expect(Buffer.from(parsed.signingInput).toString()).toBe(token.slice(0, token.lastIndexOf(".")));
    expect([...parsed.signature]).toEqual([1, 2, 3]);
  });

  test("says in its error which rule was broken and nothing of the token", () => {
    const token = compact(header, `{"iss":"top-secret"`);
    let error: unknown;
    try {
      parseAccessToken(token);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PosternError);
    expect(String((error as Error).stack)).not.toContain("top-secret");
    expect(String((error as Error).message)).toContain("not JSON");
  });

  describe("A01 no signature", () => {
    test.each(["none", "None", "NONE", "nOnE", ""])("alg %j", (alg) => {
      const [first, second] = compact({ ...header, alg }, payload).split(".");
      refuses(`${first}.${second}.AAAA`);
      refuses(`${first}.${second}.`);
      refuses(`${first}.${second}`);
    });

    test("a good header with an empty signature", () => {
      refuses(`${good.slice(0, good.lastIndexOf(".") + 1)}`);
    });
  });

  test("A02 HS256 with the public key as the secret", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const der = publicKey.export({ type: "spki", format: "der" });
    const jwk = JSON.stringify(publicKey.export({ format: "jwk" }));
    for (const secret of [pem, der, jwk, ` ${pem}`, `\n${pem}`]) refuses(hs256(secret));
  });

  test.each(["HS256", "HS512", "ES384", "PS256", "RS512", "Ed25519", "es256", "ES256 ", 1, null, ["ES256"]])(
    "A02 alg %j",
    (alg) => refuses(compact({ ...header, alg }, payload)),
  );

  test("A04 a header that brings its own key", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    refuses(compact({ ...header, jwk: publicKey.export({ format: "jwk" }) }, payload));
  });

  test.each(["jku", "x5u"])("A05 a header with %s, and nothing is fetched", (name) => {
    const fetched = vi.spyOn(globalThis, "fetch");
    refuses(compact({ ...header, [name]: "http://169.254.169.254/latest/meta-data" }, payload));
    expect(fetched).not.toHaveBeenCalled();
  });

  test.each(["x5c", "x5t", "x5t#S256", "cty", "b64", "iss", "__proto__x"])("A05 a header with %s", (name) => {
    refuses(compact({ ...header, [name]: "x" }, payload));
  });

  test.each([
    "' OR 1=1--",
    "../../dev/null",
    "k".repeat(65_536),
    "k".repeat(65),
    "\u0000",
    "key\n",
    "",
    "é",
    1,
    null,
    ["a"],
    {},
  ])("A07 kid %j", (kid) => refuses(compact({ ...header, kid }, payload)));

  test.each(["__proto__", "constructor"])("A07 kid %j is a name like any other", (kid) => {
    const parsed = parseAccessToken(compact({ ...header, kid }, payload));
    expect(new Map<string, string>().get(parsed.header.kid)).toBeUndefined();
  });

  test("A08 HS256 with an empty key", () => refuses(hs256("")));

  test.each([{ crit: ["x"] }, { crit: [] }, { crit: ["b64"], b64: false }])("A11 %j", (extra) => {
    refuses(compact({ ...header, ...extra }, payload));
  });

  test.each(["JWT", "at+JWT", "AT+JWT", "application/at+jwt", "", undefined, null, ["at+jwt"]])(
    "A13 typ %j",
    (typ) => refuses(compact({ ...header, typ }, payload)),
  );

  test("A13 a header that lacks a member", () => {
    refuses(compact({ alg: "ES256", typ: "at+jwt" }, payload));
    refuses(compact({ typ: "at+jwt", kid: "k" }, payload));
    refuses(compact({ alg: "ES256", typ: "at+jwt", extra: "k" }, payload));
    refuses(compact([], payload));
    refuses(compact("null", payload));
  });

  test("A14 a refresh token", () => refuses(`ptn_rt_${"0".repeat(83)}`));

  test.each(["[]", '["a"]', '"text"', "1", "null", "true", "{}", ""])("A19 payload %s", (text) => {
    refuses(compact(header, text));
  });

  test("A20 __proto__ and constructor claims reach nothing", () => {
    const text = JSON.stringify({ ...payload, constructor: { admin: true } }).replace(
      /^\{/,
      '{"__proto__":{"admin":true,"roles":["admin"]},',
    );

    const { claims } = parseAccessToken(compact(header, text));

    expect(claims).toEqual(payload);
    expect((claims as unknown as Record<string, unknown>)["admin"]).toBeUndefined();
    expect(claims.roles).toBeUndefined();
    expect(Object.getPrototypeOf(claims)).toBeNull();
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  test("A20 a __proto__ member does not replace missing claims", () => {
    refuses(compact(header, `{"__proto__":${JSON.stringify(payload)}}`));
  });

  test("leaves out claims that it does not know", () => {
    const { claims } = parseAccessToken(compact(header, { ...payload, cnf: { jkt: "x" } }));
    expect(claims).toEqual(payload);
  });

  test("A22 a JWE, and a JWS that says it is compressed", () => {
    refuses(`${base64url(JSON.stringify({ alg: "dir", enc: "A256GCM", zip: "DEF" }))}.AA.AA.AA.AA`);
    refuses(compact({ ...header, zip: "DEF" }, payload));
  });

  test.each([8193, 65_536, 1_048_576])("A23 %i characters are refused before any is read", (length) => {
    const parse = vi.spyOn(JSON, "parse");
    const decode = vi.spyOn(Buffer, "from");
    refuses(`${good}${"A".repeat(length - good.length)}`);
    expect(parse).not.toHaveBeenCalled();
    expect(decode).not.toHaveBeenCalled();
  });

  test("A23 the longest token is read", () => {
    const signature = new Uint8Array(Math.floor(((maxTokenLength - good.lastIndexOf(".") - 1) * 3) / 4));
    const token = compact(header, payload, signature);
    expect(maxTokenLength - token.length).toBeLessThan(2);
    expect(parseAccessToken(token).signature).toHaveLength(signature.length);
  });

  test("A25 a truncated token is refused or has lost a part of its signature", () => {
    const whole = parseAccessToken(good).signature;
    for (let length = 0; length < good.length; length++) {
      let signature: Uint8Array;
      try {
        signature = parseAccessToken(good.slice(0, length)).signature;
      } catch (error) {
        expect(error).toEqual(malformed);
        continue;
      }
      expect(length).toBeGreaterThan(good.lastIndexOf(".") + 1);
      expect(signature.length).toBeLessThan(whole.length);
    }
  });

  describe("expensive work is never done for an unverified token", () => {
    test("the payload is not read with the header", () => {
      const parsed = vi.spyOn(JSON, "parse");
      const signed = readSignedToken(compact(header, "no JSON"));
      expect(signed.header).toEqual({ alg: header.alg, kid: header.kid });
      expect(parsed).toHaveBeenCalledTimes(1);
      expect(() => readPayload(signed)).toThrow(malformed);
    });

    test.each([
      ["long", JSON.stringify({ ...header, kid: "k".repeat(200) })],
      ["nested", `{"alg":[],"typ":"at+jwt","kid":"k"}`],
      ["nested deep", "[".repeat(50) + "]".repeat(50)],
    ])("a %s header is refused before it is parsed", (_, text) => {
      const parsed = vi.spyOn(JSON, "parse");
      refuses(compact(text, payload));
      expect(parsed).not.toHaveBeenCalled();
    });

    test("Postern's longest header is accepted", () => {
      const longest = { alg: "ES256", typ: "at+jwt", kid: "k".repeat(64) };
      expect(parseAccessToken(compact(longest, payload)).header.kid).toBe(longest.kid);
    });

    test.each([
      ["lists", (depth: number): unknown => JSON.parse("[".repeat(depth) + "]".repeat(depth))],
      ["objects", (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`)],
    ])("an unknown claim may be nested, but not too deep: %s", (_, nest) => {
      // The payload itself is the first level.
      const token = (depth: number) => compact(header, { ...payload, act: nest(depth - 1) });
      expect(parseAccessToken(token(16)).claims).toEqual(payload);
      const parsed = vi.spyOn(JSON, "parse");
      const deep = readSignedToken(token(17));
      parsed.mockClear();
      expect(() => readPayload(deep)).toThrow(malformed);
      expect(parsed).not.toHaveBeenCalled();
    });

    test("brackets inside strings do not count as nesting", () => {
      const client_id = `${"[{".repeat(40)}\\"[${"[{".repeat(40)}`;
      expect(parseAccessToken(compact(header, { ...payload, client_id })).claims.client_id).toBe(client_id);
    });
  });

  describe("one text a token", () => {
    const text = JSON.stringify(payload);
    test.each([
      ["a duplicate claim", text.replace("{", '{"sub":"usr_01h2xcejqtf2nbrexx3vqjhp4z",')],
      ["white space", JSON.stringify(payload, null, 1)],
      ["a line break at the end", `${text}\n`],
      ["a number with an exponent", text.replace('"rev":7', '"rev":7e0')],
      ["a number with a fraction of zero", text.replace('"rev":7', '"rev":7.0')],
      ["minus zero", text.replace('"rev":7', '"rev":-0')],
      ["an escaped letter", text.replace("shop", "sho\\u0070")],
      ["a byte order mark", `\ufeff${text}`],
      ["invalid UTF-8", Buffer.from(text.replace("shop", "sh\xffop"), "latin1")],
      ["overlong UTF-8", Buffer.from(text.replace("shop", "sh\xc0\xafop"), "latin1")],
      ["trailing text", `${text}{}`],
      ["deep nesting", `${"[".repeat(2900)}${"]".repeat(2900)}`],
    ])("refuses %s in the payload", (_, malformedText) => refuses(compact(header, malformedText)));

    test("refuses a duplicate member in the header", () => {
      refuses(compact(JSON.stringify(header).replace("{", '{"alg":"none",'), payload));
    });

    test("takes text beyond ASCII as JSON.stringify writes it", () => {
      const token = compact(header, { ...payload, client_id: "läden 🛒" });
      expect(parseAccessToken(token).claims.client_id).toBe("läden 🛒");
    });

    test("refuses the other spellings of the last character of a part", () => {
      // 64 bytes are 86 characters, whose last one carries two bits only.
      expect(good.endsWith("AQ")).toBe(true);
      for (const last of "RSTUVWXYZabcdef") refuses(good.slice(0, -1) + last);
    });

    test.each([
      ["padding", `${good}==`],
      ["a leading space", ` ${good}`],
      ["a line break at the end", `${good}\n`],
      ["the standard alphabet", good.replace(/.{4}$/, "+/+/")],
      ["a fourth part", `${good}.AA`],
      ["an empty part", `.${good.slice(good.indexOf(".") + 1)}`],
      ["nothing", ""],
    ])("refuses %s", (_, token) => refuses(token));
  });
});

function hs256(secret: string | Buffer): string {
  const token = compact({ ...header, alg: "HS256" }, payload);
  const signingInput = token.slice(0, token.lastIndexOf("."));
  return `${signingInput}.${createHmac("sha256", secret).update(signingInput).digest("base64url")}`;
}
