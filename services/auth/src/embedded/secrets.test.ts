import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EmbeddedError } from "./embedded-error.ts";
import { makeSecrets, readSecrets } from "./secrets.ts";

const newSecretToken = () => `ptn_st_${"t".repeat(40)}`;
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-test-secrets-"));
  file = join(folder, "secrets.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("secrets", () => {
  test("are made once, for the owner alone, and read again", async () => {
    expect(await readSecrets(folder)).toBeUndefined();
    const made = await makeSecrets(folder, newSecretToken);
    expect(Buffer.from(made.masterKey, "base64")).toHaveLength(32);
    expect(made).toMatchObject({ secretToken: newSecretToken(), adminEmail: "admin@example.com" });
    expect(made.adminPassword).toMatch(/^([a-z2-9]{5}-){3}[a-z2-9]{5}$/);
    expect(encodeURIComponent(made.databasePassword)).toBe(made.databasePassword);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["secrets.json"]);
    expect(await readSecrets(folder)).toEqual(made);
  });

  test("are the same for two first starters", async () => {
    const [one, two] = await Promise.all([
      makeSecrets(folder, newSecretToken),
      makeSecrets(folder, newSecretToken),
    ]);
    expect(one).toEqual(two);
    expect(await makeSecrets(folder, newSecretToken)).toEqual(one);
  });

  test("are others in every folder", async () => {
    const one = await makeSecrets(folder, newSecretToken);
    await rm(file);
    const two = await makeSecrets(folder, newSecretToken);
    for (const name of ["masterKey", "databasePassword", "adminPassword"] as const) {
      expect(two[name]).not.toBe(one[name]);
    }
  });

  test.each([
    ["no JSON", () => "sesame", "not a JSON object"],
    ["cut off", (text: string) => text.slice(0, -4), "not a JSON object"],
    ["null", () => "null", "not a JSON object"],
    ["a field twice", (text: string) => text.replace("{", '{"masterKey": "sesame",'), "a field occurs twice"],
    ["a field missing", (text: string) => text.replace("adminEmail", "email"), "field adminEmail"],
    [
      "a short key",
      (text: string) => text.replace(/"masterKey": ".{4}/, '"masterKey": "'),
      "field masterKey",
    ],
    [
      "a password that would change the URL",
      (text: string) => text.replace(/"databasePassword": "/, "$&@host/"),
      "field databasePassword",
    ],
  ])("malformed (%s) are refused, not changed and not repeated", async (_, spoil, reason) => {
    const made = await makeSecrets(folder, newSecretToken);
    const spoilt = spoil(await readFile(file, "utf8"));
    await writeFile(file, spoilt);
    const fault = await readSecrets(folder).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(EmbeddedError);
    const message = String((fault as Error).message);
    expect(message).toContain(file);
    expect(message).toContain(reason);
    expect((fault as Error).cause).toBeUndefined();
    for (const secret of ["sesame", made.masterKey, made.databasePassword, made.adminPassword]) {
      expect(message).not.toContain(secret);
    }
    await expect(makeSecrets(folder, newSecretToken)).rejects.toThrow(reason);
    expect(await readFile(file, "utf8")).toBe(spoilt);
  });

  test("that others can read are refused", async () => {
    await makeSecrets(folder, newSecretToken);
    await chmod(file, 0o640);
    await expect(readSecrets(folder)).rejects.toThrow(`${file} can be read by others`);
  });
});
