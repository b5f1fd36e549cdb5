import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, expect, test } from "vitest";
import { parseRoutesFile } from "./routes-file.ts";

const folder = mkdtempSync(`${tmpdir()}/postern-routes-`);
const path = `${folder}/routes.yaml`;
const one = "- path: /a\n  auth: public\n";

afterAll(() => rmSync(folder, { recursive: true }));

test("the file that the setting names is read", () => {
  writeFileSync(path, one);
  expect(parseRoutesFile(path)).toMatchObject([{ path: "/a", auth: "public" }]);
});

test("a byte order mark before the routes is dropped", () => {
  writeFileSync(path, `\ufeff${one}`);
  expect(parseRoutesFile(path)).toMatchObject([{ path: "/a", auth: "public" }]);
});

test("O14: no file, a folder, a file that is too long or not text: each is reported, without the file's name", () => {
  expect(() => parseRoutesFile(`${folder}/none`)).toThrow("names a file that cannot be read (ENOENT)");
  mkdirSync(`${folder}/folder`);
  expect(() => parseRoutesFile(`${folder}/folder`)).toThrow("not a file");
  expect(() => parseRoutesFile("/dev/zero")).toThrow("not a file");
  writeFileSync(path, one + "#".repeat(256 * 1024));
  expect(() => parseRoutesFile(path)).toThrow("more than 256 KiB");
  writeFileSync(path, Buffer.from("- path: /\xff", "latin1"));
  expect(() => parseRoutesFile(path)).toThrow("names a file that is not UTF-8; save it as UTF-8");
  writeFileSync(path, Buffer.from(one, "utf16le"));
  expect(() => parseRoutesFile(path)).toThrow("names a file that is UTF-16");
  expect(() => parseRoutesFile("")).toThrow("empty");
  expect(() => parseRoutesFile(`${folder}/none`)).not.toThrow(folder);
});

test("O14: routes instead of their file's name are recognized", () => {
  expect(() => parseRoutesFile(one)).toThrow("write the path of the routes file");
});
