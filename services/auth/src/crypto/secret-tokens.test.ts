import { expect, test } from "vitest";
import type { Caller } from "../domain/caller/caller.ts";
import { sha256Of } from "../lib/sha256.ts";
import { createSecretTokenDirectory } from "./secret-tokens.ts";

function entry(name: string, token: string) {
  const none: ReadonlySet<string> = new Set();
  const caller: Caller = {
    name,
    permissions: new Set(["login"]),
    scopes: none,
    audiences: none,
    clients: none,
    trustedAddress: false,
  };
  return { name, sha256: sha256Of(token), caller };
}

const [first, second, third] = ["a", "b", "c"].map((letter) => letter.repeat(32));

test("J16: while a token is changed both are valid, then the old one is not", () => {
  const entries = [entry("other", third ?? ""), entry("web", first ?? ""), entry("web", second ?? "")];
  const during = createSecretTokenDirectory(entries);
  expect(during.find(first ?? "")?.name).toBe("web");
  expect(during.find(second ?? "")?.name).toBe("web");

  const after = createSecretTokenDirectory(entries.filter((_, index) => index !== 1));
  expect(after.find(first ?? "")).toBeUndefined();
  expect(after.find(second ?? "")?.name).toBe("web");
});

test.each(["", "a", "a".repeat(31), "a".repeat(33), "A".repeat(32), "x".repeat(100_000)])(
  "an unknown credential of any length has no caller (%#)",
  (credential) => {
    expect(createSecretTokenDirectory([entry("web", "a".repeat(32))]).find(credential)).toBeUndefined();
  },
);

test("the digest of a token is no token", () => {
  const digest = Buffer.from(sha256Of("a".repeat(32)));
  const directory = createSecretTokenDirectory([entry("web", "a".repeat(32))]);
  expect(directory.find(digest.toString("hex"))).toBeUndefined();
});
