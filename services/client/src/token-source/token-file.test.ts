import { mkdtempDisposable, rename, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tokenFile } from "./token-file.ts";

const folderOf = () => mkdtempDisposable(join(tmpdir(), "postern-token-file-"));

test("a file's token is its text without the line break, valid for a second", async () => {
  await using folder = await folderOf();
  const path = join(folder.path, "token");
  await writeFile(path, "first\n");
  const origin = tokenFile(path);
  expect(await origin.obtain()).toEqual({ accessToken: "first", expiresInMs: 1_000 });
  await writeFile(path, "second");
  expect(await origin.obtain()).toMatchObject({ accessToken: "second" });
});

test("a symbolic link that changes, as in a projected volume, is followed", async () => {
  await using folder = await folderOf();
  const at = (name: string) => join(folder.path, name);
  await writeFile(at("one"), "first");
  await writeFile(at("two"), "second");
  await symlink("one", at("..data"));
  await symlink("..data", at("token"));
  const origin = tokenFile(at("token"));
  expect(await origin.obtain()).toMatchObject({ accessToken: "first" });
  await symlink("two", at("..data_tmp"));
  await rename(at("..data_tmp"), at("..data"));
  await unlink(at("one"));
  expect(await origin.obtain()).toMatchObject({ accessToken: "second" });
});

test.each(["secret\nsecond line", "secret\rx", "s\u00e9cret", "secret\0"])(
  "text that cannot be sent in a header is refused; the error has the file's name and not the text: %j",
  async (text) => {
    await using folder = await folderOf();
    const path = join(folder.path, "token");
    const origin = tokenFile(path);
    await writeFile(path, text);
    const error = await origin.obtain().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ message: expect.stringContaining(path) });
    expect(String((error as Error).stack)).not.toMatch(/s.?cret/);
    await writeFile(path, "first");
    await origin.obtain();
    await writeFile(path, text);
    expect(await origin.obtain()).toMatchObject({ accessToken: "first" });
  },
);

test("a file that is gone, or empty while it is written, leaves the last token in use", async () => {
  await using folder = await folderOf();
  const path = join(folder.path, "token");
  const origin = tokenFile(path);
  await expect(origin.obtain()).rejects.toThrow(path);
  await writeFile(path, "");
  await expect(origin.obtain()).rejects.toThrow("is empty");
  await writeFile(path, "first");
  await origin.obtain();
  await writeFile(path, "\n");
  expect(await origin.obtain()).toMatchObject({ accessToken: "first" });
  await unlink(path);
  expect(await origin.obtain()).toMatchObject({ accessToken: "first" });
});
