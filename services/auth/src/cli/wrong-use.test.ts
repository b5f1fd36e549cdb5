import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { main } from "../main.ts";
import { fakeIo } from "./io.fixture.ts";

async function run(argv: readonly string[], env: Record<string, string> = {}) {
  const { io, written } = fakeIo({ env });
  return { code: await main(argv, io), ...written };
}

const database = (url: string) => ({
  POSTERN_DATABASE_URL: url,
  POSTERN_ISSUER: "https://auth.example",
  POSTERN_MASTER_KEY: randomBytes(32).toString("base64"),
});

describe("wrong use is reported with the right use", () => {
  test.each<[string, string[], string]>([
    ["no session", ["session", "get"], "postern session list"],
    ["an id of something else", ["session", "end", `usr_${"0".repeat(26)}`], "`ses_` and 26 characters"],
    ["neither user nor client", ["session", "list"], "--user or a --client"],
    ["an id of a user that is none", ["session", "list", "--user", "usr_1"], "postern user list"],
    ["no target", ["revoke"], "--session, --user, --client, --everything, --token-file"],
    ["two targets", ["revoke", "--client", "x", "--user", "y"], "name one of"],
    ["a client's id that cannot be", ["revoke", "--client", "a b"], "client's ID"],
    ["everything without a word", ["revoke", "--everything"], "every user has to log in again: add --yes"],
    ["a token in argv", ["revoke", "--token", "ptn_rt_secret"], "Unknown option"],
    ["a mistyped option", ["session", "list", "--usr", "x"], "did you mean `--user`?"],
    ["a mistyped command", ["sesion", "list"], "did you mean `session`?"],
  ])("%s", async (_, argv, message) => {
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
    expect(stderr).not.toContain("secret");
  });

  test("a file that is not there", async () => {
    expect(await run(["revoke", "--token-file", "/nowhere"])).toEqual({
      code: 1,
      stdout: "",
      stderr: "postern revoke: the token file cannot be read (ENOENT)\n",
    });
  });
});

describe("a database that cannot be used", () => {
  test("is away: the setting is named, without its password", async () => {
    for (const url of ["postgres://ann:sesame@127.0.0.1:1/x", "postgres://ann:sesame@host.invalid/x"]) {
      const { code, stdout, stderr } = await run(["user", "list"], database(url));
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toContain("check that it runs at the address in POSTERN_DATABASE_URL");
      expect(stderr).not.toContain("sesame");
    }
  });

  test("is embedded and was never made: no new one is", async () => {
    const folder = await mkdtemp(join(tmpdir(), "postern-test-commands-"));
    try {
      const dataDir = join(folder, "mistyped");
      for (const argv of [["user", "list"], ["session", "list", "--client", "x"], ["recover"]]) {
        const { code, stderr } = await run([...argv, "--embedded"], { POSTERN_DATA_DIR: dataDir });
        expect({ code, stderr }).toEqual({
          code: 1,
          stderr: expect.stringContaining(`there is no embedded database in ${dataDir}`),
        });
      }
      await expect(rm(dataDir)).rejects.toThrow("ENOENT");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
