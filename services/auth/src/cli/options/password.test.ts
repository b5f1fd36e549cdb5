import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CommandError } from "../command.ts";
import { fakeIo } from "../io.fixture.ts";
import { makePassword, readPassword } from "./password.ts";

const fromStdin = (...stdin: (string | Uint8Array)[]) => readPassword(fakeIo({ stdin }).io, "-");

test("comes from stdin, in however many pieces, one trailing newline dropped", async () => {
  expect(await fromStdin("cor", "rect horse\n")).toBe("correct horse");
  expect(await fromStdin(" a b \r\n")).toBe(" a b ");
  expect(await fromStdin("a\n\n")).toBe("a\n");
  expect(await fromStdin(Uint8Array.of(0xc3), Uint8Array.of(0xbc))).toBe("ü");
});

test("a byte order mark before the password is dropped", async () => {
  expect(await fromStdin("\ufeffcorrect horse\n")).toBe("correct horse");
  expect(await fromStdin(Uint8Array.of(0xef), Uint8Array.of(0xbb, 0xbf, 0x61))).toBe("a");
  expect(await fromStdin(`\ufeff${"a".repeat(1024)}\r\n`)).toBe("a".repeat(1024));
  await expect(fromStdin("\ufeff\n")).rejects.toThrow("empty");
});

test("comes from a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-password-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "p"), "from a file\n");
  expect(await readPassword(fakeIo().io, join(folder, "p"))).toBe("from a file");
  await expect(readPassword(fakeIo().io, join(folder, "q"))).rejects.toThrow("cannot be read (ENOENT)");
});

test("is not read where no file is named", async () => {
  expect(await readPassword(fakeIo({ stdin: ["secret"] }).io, undefined)).toBeUndefined();
});

test.each([
  ["an empty one", [""]],
  ["a newline alone", ["\n"]],
  ["one that is no UTF-8", [Uint8Array.of(0x61, 0xff)]],
  ["one in UTF-16", [Buffer.from("\ufeffcorrect horse", "utf16le")]],
  ["one in UTF-16 without a byte order mark", [Buffer.from("correct horse", "utf16le")]],
  ["1,025 bytes", ["a".repeat(1025)]],
])("%s is refused", async (_, chunks) => {
  await expect(fromStdin(...chunks)).rejects.toThrow(CommandError);
});

test("a made one is as long as demanded, and another one each time", () => {
  expect(makePassword(12)).toMatch(/^[2-9A-HJ-NP-Za-km-z]{24}$/);
  expect(makePassword(40)).toHaveLength(40);
  expect(makePassword(12)).not.toBe(makePassword(12));
});
