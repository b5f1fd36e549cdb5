import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatId, parseId } from "./type-id.ts";
import { uuidFromBytes } from "./uuid.ts";

const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidFromBytes);

describe("type ids", () => {
  test("have the form of the TypeID specification", () => {
    expect(formatId("usr", "00000000-0000-0000-0000-000000000000")).toBe("usr_00000000000000000000000000");
    expect(formatId("usr", "ffffffff-ffff-ffff-ffff-ffffffffffff")).toBe("usr_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    expect(formatId("usr", "0188bac7-4afa-78aa-bc3b-bd1eef28d881")).toBe("usr_01h2xcejqtf2nbrexx3vqjhp41");
  });

  test("come back as they were", () => {
    fc.assert(
      fc.property(uuids, (uuid) => {
        const text = formatId("ses", uuid);
        expect(text).toMatch(/^ses_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
        expect(parseId("ses", text)).toBe(uuid);
      }),
    );
  });

  test("sort like their UUIDs", () => {
    fc.assert(
      fc.property(uuids, uuids, (a, b) => {
        expect(formatId("ses", a) < formatId("ses", b)).toBe(a < b);
      }),
    );
  });

  test.each([
    ["another prefix", "usr_01h2xcejqtf2nbrexx3vqjhp41"],
    ["no prefix", "01h2xcejqtf2nbrexx3vqjhp41"],
    ["upper case", "ses_01H2XCEJQTF2NBREXX3VQJHP41"],
    ["a letter that Crockford left out", "ses_01h2xcejqtf2nbrexx3vqjhp4l"],
    ["more than 128 bits", "ses_81h2xcejqtf2nbrexx3vqjhp41"],
    ["too short", "ses_01h2xcejqtf2nbrexx3vqjhp4"],
    ["too long", "ses_01h2xcejqtf2nbrexx3vqjhp411"],
    ["a line break at its end", "ses_01h2xcejqtf2nbrexx3vqjhp41\n"],
    ["empty", ""],
  ])("refuse %s", (_, text) => {
    expect(parseId("ses", text)).toBeUndefined();
  });

  test("are not made from what is no UUID", () => {
    expect(() => formatId("ses", "not-a-uuid")).toThrow(TypeError);
  });
});
