import { describe, expect, test } from "vitest";
import { addressKey } from "./address-key.ts";

describe("D08: one household is one address in every spelling", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:c000:0207", "192.0.2.7"],
    ["0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"],
    ["64:ff9b::192.0.2.7", "192.0.2.7"],
    ["64:ff9b:1::192.0.2.7", "64:ff9b:1:0::/64"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002:0000:0000:0000:0009", "2001:db8:1:2::/64"],
    ["2001:db8::", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1:2", "fe80:0:0:0::/64"],
  ])("%s is counted as %s", (text, key) => {
    expect(addressKey(text)).toBe(key);
  });

  test("neighbours are different addresses", () => {
    expect(addressKey("192.0.2.8")).not.toBe(addressKey("192.0.2.7"));
    expect(addressKey("2001:db8:1:3::1")).not.toBe(addressKey("2001:db8:1:2::1"));
  });
});

test.each([
  "",
  "x",
  "1.2.3",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.4.5",
  "::ffff:1.2.3.256",
  "fe80::1%eth0",
  "[::1]",
  ":::",
])("%j is no address", (text) => {
  expect(addressKey(text)).toBeUndefined();
});
