import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { identifierKey, parseEmail, parseUsername } from "./identifier.ts";

const refused = expect.objectContaining({ reason: "INVALID_REQUEST" });

function caught(action: () => unknown): unknown {
  try {
    return { nothingThrown: action() };
  } catch (error) {
    return error;
  }
}

describe("user names that are allowed", () => {
  test.each([
    ["alice", "alice"],
    ["Alice.B-c_9", "alice.b-c_9"],
    ["7", "7"],
    ["Müller", "müller"],
    ["Mu\u0308ller", "müller"],
    ["Straße", "straße"],
    ["STRAẞE", "straße"],
    ["Łukasz", "łukasz"],
    ["Ångström", "ångström"],
    ["Nguyễn", "nguyễn"],
    ["Дмитрий", "дмитрий"],
    ["Мама", "мама"],
    ["Γιώργος", "γιώργοσ"],
    ["ΓΙΏΡΓΟΣ", "γιώργοσ"],
    ["日本ひらカタ", "日本ひらカタ"],
    ["ラーメン", "ラーメン"],
    ["김민준", "김민준"],
    ["李小龍2", "李小龍2"],
    ["محمد", "محمد"],
    ["שלום", "שלום"],
    ["हिन्दी", "हिन्दी"],
    ["ไทย", "ไทย"],
    ["გიორგი", "გიორგი"],
  ])("%s", (text, usernameKey) => {
    expect(parseUsername(text)).toEqual({ username: text.normalize("NFC"), usernameKey });
  });

  test("64 code points, not 65", () => {
    expect(parseUsername("𠮷".repeat(64)).username).toHaveLength(128);
    expect(caught(() => parseUsername("𠮷".repeat(65)))).toEqual(refused);
    expect(caught(() => parseUsername("a".repeat(65)))).toEqual(refused);
  });
});

describe("user names that are refused", () => {
  test.each([
    "",
    ".a",
    "a.",
    "-a",
    "a_",
    "a..b",
    "a._b",
    "a b",
    "a\nb",
    "a/b",
    "a'b",
    "a*",
    "a\0",
    "a@b.example",
  ])("shape %j", (text) => expect(caught(() => parseUsername(text))).toEqual(refused));

  test.each([
    ["Kelvin sign", "\u212aate"],
    ["long s", "\u017fam"],
    ["full width", "\uff41lice"],
    ["dotless i", "m\u0131ke"],
    ["dotted capital I", "\u0130lker"],
    ["i with another dot", "mi\u0307ke"],
    ["script g", "\u0261reg"],
    ["small capitals", "\u0280oot"],
    ["ligature", "\ufb01n"],
    ["Angstrom sign", "\u212bsa"],
    ["compatibility ideograph", "\uf900"],
    ["compatibility ideograph beyond the first plane", "\ufa6c"],
    ["other digits", "a\u0661"],
    ["superscript", "a\u00b2"],
    ["mathematical letters", "𝐚𝐝𝐦𝐢𝐧"],
    ["modifier letter", "o\u02bbneil"],
  ])("E01 %s", (_, text) => expect(caught(() => parseUsername(text))).toEqual(refused));

  test.each([
    ["Latin and Cyrillic", "p\u0430ypal"],
    ["Latin and Greek", "alph\u03b1x"],
    ["Latin and Han", "a李"],
    ["Hangul and Kana", "김ひ"],
    ["Cyrillic that reads as Latin", "\u0440\u0430\u0443\u0440\u0430"],
    ["the same with digits and separators", "\u0440\u0430.\u0443-2"],
    ["the same with accents", "\u0455\u0457"],
    ["Cyrillic capitals that read as Latin", "ТОР"],
    ["Greek that reads as Latin", "\u03bf\u03c1\u03b1"],
    ["Armenian that reads as Latin", "\u0585\u057d\u0570"],
    ["Cherokee", "ᎪᎪ"],
  ])("E01 look-alikes: %s", (_, text) => expect(caught(() => parseUsername(text))).toEqual(refused));

  test.each([
    ["right-to-left override", "a\u202eb"],
    ["isolate", "a\u2066b"],
    ["zero-width space", "a\u200bb"],
    ["zero-width joiner", "a\u200db"],
    ["soft hyphen", "a\u00adb"],
    ["byte order mark", "\ufeffa"],
    ["variation selector", "葛\u{e0100}"],
    ["Hangul filler", "\u1160"],
    ["combining grapheme joiner", "ש\u034fל"],
    ["emoji with joiners", "👩‍👩‍👧"],
    ["a mark on nothing", "\u0301a"],
    ["a mark on a digit", "1\u0301"],
    ["a stack of marks", `ש${"\u05b0".repeat(5)}`],
    ["10 kB", "a".repeat(10_240)],
  ])("E07 %s", (_, text) => expect(caught(() => parseUsername(text))).toEqual(refused));

  test.each(["a\ud800", "\udc00a", "\ud800@x.example"])("E06 lone surrogate %j", (text) => {
    expect(caught(() => parseUsername(text))).toEqual(refused);
    expect(caught(() => parseEmail(text))).toEqual(refused);
  });

  test.each([
    "usr_01h455vb4pex5vsknk084sn02q",
    "USR_x",
    "ses_1",
    "ptn_rt",
    "0190a5f0-7c1b-7abc-8def-0123456789ab",
    "0190A5F0-7C1B-7ABC-8DEF-0123456789AB",
    "0190a5f07c1b7abc8def0123456789ab",
  ])("E12 %s is like an id", (text) => {
    expect(caught(() => parseUsername(text))).toMatchObject({
      reason: "INVALID_REQUEST",
      message: expect.stringContaining("like an id"),
    });
  });
});

describe("e-mail addresses", () => {
  test.each([
    ["Alice@Example.COM", "alice@example.com"],
    ["a.b+tag@mail.example.org", "a.b+tag@mail.example.org"],
    ["o'neil--x@x.example", "o'neil--x@x.example"],
    ["root@localhost", "root@localhost"],
    ["иван@пример.рф", "иван@xn--e1afmkfd.xn--p1ai"],
    ["a@Bücher.example", "a@xn--bcher-kva.example"],
    ["a@xn--BCHER-kva.example", "a@xn--bcher-kva.example"],
    ["a@straße.example", "a@xn--strae-oqa.example"],
    ["a@1.2.example", "a@1.2.example"],
  ])("%s", (email, emailKey) => expect(parseEmail(email)).toEqual({ email, emailKey }));

  test.each([
    "",
    "a",
    "@",
    "a@",
    "@x.example",
    "a@b@x.example",
    "a@x",
    "a@x.",
    "a@.x",
    "a@x..example",
    "a@-x.example",
    "a@x-.example",
    "a@-ä.example",
    "a@x_y.example",
    ".a@x.example",
    "a.@x.example",
    "a..b@x.example",
    '"a b"@x.example',
    "a(c)@x.example",
    "a b@x.example",
    "a @x.example",
    "a@ x.example",
    "a@x.example\nb",
    "a@x.example\r\nbcc: b@y.example",
    "<a@x.example>",
    "a,b@x.example",
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "a@1.0x7f",
    "a@2130706433",
    "a@x。example",
    "a@x.\uff45xample",
    "a@\u0430\u0440\u0440\u04cf\u0435.example",
    "a@xn--80ak6aa92e.example",
    "a@xn--a.example",
    "a@xn--.example",
    "v\u0131ctim@x.example",
    "victim@\u212a.example",
    "vi\u0441tim@x.example",
    "👩@x.example",
    `${"a".repeat(65)}@x.example`,
    `${"ä".repeat(33)}@x.example`,
    `a@${"b".repeat(64)}.example`,
    `a@${"b.".repeat(124)}example`,
  ])("refused: %j", (text) => expect(caught(() => parseEmail(text))).toEqual(refused));

  test("64 bytes of local part and 254 in all are allowed", () => {
    expect(parseEmail(`${"ä".repeat(32)}@x.example`).email).toContain("ä@");
    const longest = `a@${"b.".repeat(122)}examples`;
    expect(longest).toHaveLength(254);
    expect(parseEmail(longest).emailKey).toBe(longest);
  });
});

describe("white space around a name or an address", () => {
  const blanks = [
    ["space", " "],
    ["tab", "\t"],
    ["line break", "\r\n"],
    ["no-break space", "\u00a0"],
    ["thin space", "\u2009"],
    ["full-width space", "\u3000"],
    ["line separator", "\u2028"],
  ] as const;

  test.each(blanks)("is dropped: %s", (_, blank) => {
    const padded = (text: string) => `${blank}${blank}${text}${blank}`;
    expect(parseEmail(padded("Admin@example.com"))).toEqual({
      email: "Admin@example.com",
      emailKey: "admin@example.com",
    });
    expect(parseUsername(padded("Alice"))).toEqual({ username: "Alice", usernameKey: "alice" });
    expect(identifierKey(padded("admin@example.com"))).toEqual({ emailKey: "admin@example.com" });
    expect(identifierKey(padded("Alice"))).toEqual({ usernameKey: "alice" });
  });

  test("E07 invisible characters are not white space and stay refused", () => {
    for (const hidden of ["\u200b", "\u200e", "\u202e", "\u2060", "\ufeff", "\u00ad", "\u3164", "\0"]) {
      expect(identifierKey(`alice${hidden}`)).toBeUndefined();
      expect(identifierKey(`${hidden}admin@example.com`)).toBeUndefined();
    }
  });

  test("E12 a user name that looks like an ID is refused, also with white space around it", () => {
    expect(caught(() => parseUsername(" usr_x"))).toEqual(refused);
  });
});

test("E01 what differs by more than case never shares a key", () => {
  const texts = [
    "victim",
    "v\u0131ctim",
    "vıctım",
    "strasse",
    "straße",
    "kate",
    "\u212aate",
    "sam",
    "\u017fam",
  ];
  const keys = texts.flatMap((text) => identifierKey(text) ?? []);
  expect(keys).toEqual(
    ["victim", "strasse", "straße", "kate", "sam"].map((usernameKey) => ({ usernameKey })),
  );
  expect(identifierKey("v\u0131ctim@x.example")).toBeUndefined();
});

test("E03 case variants of an address are one key", () => {
  const variants = ["a.b@x.example", "A.B@X.EXAMPLE", "a.B@X.example"];
  expect(new Set(variants.map((text) => parseEmail(text).emailKey))).toEqual(new Set(["a.b@x.example"]));
});

describe("identifierKey", () => {
  test("E12 an address never names a user by user name, nor the other way about", () => {
    expect(identifierKey("Bob@x.example")).toEqual({ emailKey: "bob@x.example" });
    expect(identifierKey("Bob")).toEqual({ usernameKey: "bob" });
  });

  test("E10 garbage and IDs name no user", () => {
    for (const text of [
      "",
      " ",
      "\t\n",
      "@",
      " @ ",
      "0 0",
      "\0",
      "\ud800",
      "usr_01h455vb4pex5vsknk084sn02q",
      "' or 1=1--",
    ]) {
      expect(identifierKey(text)).toBeUndefined();
    }
  });

  test("never throws, and what it finds is stable", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .tuple(fc.string({ unit: "grapheme" }), fc.string())
        .map(([local, domain]) => `${local}@${domain}.example`),
      fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
    );
    fc.assert(
      fc.property(text, (value) => {
        const key = identifierKey(value);
        if (key === undefined) return;
        expect(identifierKey(Object.values(key).join())).toEqual(key);
      }),
      { numRuns: 2_000 },
    );
  });
});

test("L11 hostile text of any length is answered", () => {
  const hostile = [
    "a.",
    "a-",
    "a@",
    "@",
    ".",
    "-",
    "ä",
    "xn--",
    "\u0301",
    "a\u0301",
    "0",
    "\u0930\u094d",
    "\ud800",
    " ",
    "a ",
  ];
  for (const piece of hostile) {
    for (const length of [64, 254, 1_024, 1_000_000]) {
      const text = piece.repeat(length).slice(0, length);
      expect(caught(() => parseUsername(`${text}!`))).toEqual(refused);
      expect(caught(() => parseEmail(`${text}@`))).toEqual(refused);
      expect(caught(() => parseEmail(`a@${text}!`))).toEqual(refused);
    }
  }
});
