import { chmod, mkdir, mkdtemp, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDataFolder } from "./data-folder.ts";
import { EmbeddedError, tellSystemErrors } from "./embedded-error.ts";

let parent: string;

beforeEach(async () => {
  parent = await realpath(await mkdtemp(join(tmpdir(), "postern-test-folder-")));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

describe("the data folder", () => {
  test("is made for its owner alone, with the folders above it", async () => {
    const path = join(parent, "a", "data");
    expect(await openDataFolder(path)).toBe(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect(await openDataFolder(path)).toBe(path);
  });

  test("is reported by its real path", async () => {
    await mkdir(join(parent, "data"), { mode: 0o700 });
    await symlink("data", join(parent, "link"));
    expect(await openDataFolder(join(parent, "link"))).toBe(join(parent, "data"));
  });

  test.each([0o755, 0o750, 0o704, 0o720, 0o702])("is refused with mode %o", async (mode) => {
    const path = join(parent, "data");
    await mkdir(path);
    await chmod(path, mode);
    await expect(openDataFolder(path)).rejects.toThrow(EmbeddedError);
    await expect(openDataFolder(path)).rejects.toThrow(
      `${path} is open to others (mode 0${mode.toString(8)})`,
    );
    expect((await stat(path)).mode & 0o777).toBe(mode);
  });

  test("may be passed by others", async () => {
    const path = join(parent, "data");
    await mkdir(path);
    await chmod(path, 0o711);
    expect(await openDataFolder(path)).toBe(path);
  });

  test("is no file", async () => {
    await writeFile(join(parent, "data"), "");
    await expect(openDataFolder(join(parent, "data"))).rejects.toThrow("is not a folder");
  });

  test("that the system refuses is reported with its name", async () => {
    await writeFile(join(parent, "file"), "");
    const path = join(parent, "file", "data");
    const opened = tellSystemErrors(path, () => openDataFolder(path));
    await expect(opened).rejects.toThrow(EmbeddedError);
    await expect(opened).rejects.toThrow(`the embedded database in ${path} cannot be used: EEXIST`);
  });
});
