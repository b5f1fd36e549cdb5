import { expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { parseIssuer } from "./url.ts";

test.each([
  ...["https://auth.example.com", "https://auth.example.com:8443/tenant/a", "http://localhost:8080"],
  ...["http://127.0.0.1:8080", "http://[::1]:8080"],
])("%s can be an issuer", (text) => {
  expect(parseIssuer(text)).toBe(text);
});

test.each([
  ...["", "auth.example.com", "http://auth.example.com", "http://10.0.0.1", "ftp://auth.example.com"],
  ...[
    "https://auth.example.com/",
    "https://auth.example.com/a/",
    "https://a.example/?",
    "https://a.example?x=1",
  ],
  ...["https://a.example#", "https://a.example/#f", "https://user:pw@a.example", "https://A.example"],
  ...[
    "https://a.example:443",
    "https://a.example/a/../b",
    " https://a.example",
    "http://localhost.example.com",
  ],
])("O14: %j cannot", (text) => {
  expect(() => parseIssuer(text)).toThrow(SettingError);
});
