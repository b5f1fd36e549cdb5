import { describe, expect, test } from "vitest";
import { checkNewPassword, normalizePassword } from "./password-policy.ts";

const policy = { minLength: 12, isCommon: (password: string) => password === "commonplaces" };
const weak = (text: string) =>
  expect.objectContaining({ reason: "WEAK_PASSWORD", message: expect.stringContaining(text) });
const refused = expect.objectContaining({ reason: "INVALID_REQUEST" });

function caught(action: () => unknown): unknown {
  try {
    return { nothingThrown: action() };
  } catch (error) {
    return error;
  }
}

describe("normalizePassword", () => {
  test("E04 composed and decomposed text is one password", () => {
    expect(normalizePassword("cafe\u0301 cafe\u0301")).toBe("caf\u00e9 caf\u00e9");
  });

  test("E04 compatibility characters, case and spaces stay as they are", () => {
    const text = " \uff41\ufb01\u017f A  ";
    expect(normalizePassword(text)).toBe(text);
  });

  test.each(["\ud800", "password\udc00", "\ud83d"])("E06 lone surrogate %j", (text) => {
    expect(caught(() => normalizePassword(text))).toEqual(refused);
  });

  test("D11 1,024 bytes and not one more", () => {
    expect(normalizePassword("é".repeat(512))).toHaveLength(512);
    expect(caught(() => normalizePassword("é".repeat(513)))).toEqual(refused);
    expect(caught(() => normalizePassword("a".repeat(1_025)))).toEqual(refused);
    expect(caught(() => normalizePassword("a".repeat(16_000_000)))).toEqual(refused);
  });
});

describe("checkNewPassword", () => {
  test("answers with the form to hash", () => {
    expect(checkNewPassword("nine cafe\u0301 tables", policy)).toBe("nine caf\u00e9 tables");
  });

  test("counts characters, not bytes or UTF-16 units, and after composition", () => {
    expect(checkNewPassword("🐎🔋📎🌍🎻🧊🐎🔋📎🌍🎻🧊", policy)).toHaveLength(24);
    expect(caught(() => checkNewPassword("🐎🔋📎🌍🎻🧊", policy))).toEqual(weak("at least 12 characters"));
    expect(caught(() => checkNewPassword("e\u0301".repeat(11), policy))).toEqual(weak("too short"));
  });

  test.each([64, 129, 1_024])("D11 %i characters are allowed", (length) => {
    expect(checkNewPassword("x".repeat(length), policy)).toHaveLength(length);
  });

  test("D11 none, and none but spaces", () => {
    expect(caught(() => checkNewPassword("", policy))).toEqual(weak("too short"));
    expect(caught(() => checkNewPassword(" ".repeat(11), policy))).toEqual(weak("too short"));
  });

  test("refuses common ones", () => {
    expect(caught(() => checkNewPassword("commonplaces", policy))).toEqual(weak("attackers try first"));
  });

  test.each(["Alice.Example", "alice.example1", "alice.examplealice.example", "x@other.example99"])(
    "refuses %s as little more than the user's name",
    (password) => {
      const forbidden = ["alice.example@mail.example", "x@other.example"];
      expect(caught(() => checkNewPassword(password, { ...policy, forbidden }))).toEqual(weak("own name"));
    },
  );

  test("a name within a good password does no harm, nor does a short one", () => {
    const forbidden = ["alice@x.example", "bob"];
    expect(checkNewPassword("alice rides nine purple zebras", { ...policy, forbidden })).toContain("zebras");
    expect(checkNewPassword("bobbobbobbob", { ...policy, forbidden })).toBe("bobbobbobbob");
  });

  test("never repeats the password", () => {
    const error = caught(() => checkNewPassword("hunter2", policy));
    expect(String(error)).not.toContain("hunter2");
  });
});
