import { isIP, isIPv4 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalAddress } from "./ip-address.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::FFFF:c000:0207", "192.0.2.7"],
  ["0:0:0:0:0:ffff:0:0", "0.0.0.0"],
  ["0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"],
  ["2001:DB8:0:0::9", "2001:db8::9"],
  ["2001:0db8:0000:0000:0000:0000:0000:0009", "2001:db8::9"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:db8:5:6::198.51.100.7", "2001:db8:5:6::c633:6407"],
  ["64:ff9b::192.0.2.7", "64:ff9b::c000:207"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["::", "::"],
])("the canonical spelling of %s is %s", (text, canonical) => {
  expect(canonicalAddress(text)).toBe(canonical);
});

test.each([
  ...[
    "",
    "x",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.04",
    "1.2.3.4.5",
    "2130706433",
    "0x7f.0.0.1",
    " 1.2.3.4",
  ],
  ...[
    "1.2.3.4:80",
    "[::1]",
    "[::1]:80",
    "fe80::1%eth0",
    "::ffff:1.2.3.256",
    ":::",
    "1::2::3",
    "12345::",
    "::1 ",
  ],
])("%j is not an address", (text) => {
  expect(canonicalAddress(text)).toBeUndefined();
});

test("every address that Node accepts has one canonical spelling, and all its spellings map to it", () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  const spelling = fc.constantFrom("padded", "upper", "plain");
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), spelling, (groups, how) => {
      const plain = groups.map((number) => number.toString(16)).join(":");
      const padded = groups.map((number) => number.toString(16).padStart(4, "0")).join(":");
      const text = { plain, padded, upper: plain.toUpperCase() }[how];
      const canonical = canonicalAddress(text) ?? "";
      expect(isIP(canonical)).toBeGreaterThan(0);
      expect(canonicalAddress(canonical)).toBe(canonical);
      expect(canonicalAddress(plain)).toBe(canonical);
    }),
  );
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(isIPv4(text)).toBe(true);
      expect([canonicalAddress(text), canonicalAddress(`::ffff:${text}`)]).toEqual([text, text]);
    }),
  );
});
