import { expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { isLoopback, parseAddress } from "./address.ts";

test.each([
  ["127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
  ["0.0.0.0:0", { host: "0.0.0.0", port: 0 }],
  ["[::1]:65535", { host: "::1", port: 65_535 }],
  ["localhost:80", { host: "localhost", port: 80 }],
  ["auth-1.example.com:80", { host: "auth-1.example.com", port: 80 }],
])("%s is an address", (text, expected) => {
  expect(parseAddress(text)).toEqual(expected);
});

test.each([
  ...["", ":8080", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80 "],
  ...[
    "::1:80",
    "[127.0.0.1]:80",
    "[]:80",
    "127.1:80",
    "0x7f000001:80",
    "256.0.0.1:80",
    "a_b:80",
    "http://h:80",
  ],
])("O14: %j is refused", (text) => {
  expect(() => parseAddress(text)).toThrow(SettingError);
});

test.each([
  "localhost",
  "LOCALHOST",
  "127.0.0.1",
  "127.255.0.9",
  "::1",
  "0:0:0:0:0:0:0:1",
  "::ffff:127.0.0.1",
])("%s is loopback", (host) => {
  expect(isLoopback(host)).toBe(true);
});

test.each([
  "0.0.0.0",
  "::",
  "10.0.0.1",
  "128.0.0.1",
  "localhost.example.com",
  "fe80::1%eth0",
  "::ffff:10.0.0.1",
])("%s is not loopback", (host) => {
  expect(isLoopback(host)).toBe(false);
});
