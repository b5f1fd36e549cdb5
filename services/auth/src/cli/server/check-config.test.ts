import { expect, test } from "vitest";
import { settingNames } from "../../config/settings.ts";
import { main } from "../../main.ts";
import { fakeIo } from "../io.fixture.ts";
import { checkConfig } from "./check-config.ts";

const masterKey = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 5)).toString("base64");
const env = {
  POSTERN_DATABASE_URL: "postgres://postern:hunter2@db.example.com/postern",
  POSTERN_REDIS_URL: "redis+sentinel://postern:hunter3@a.example.com,b.example.com/mymaster",
  POSTERN_ISSUER: "https://auth.example.com",
  POSTERN_MASTER_KEY: masterKey,
  POSTERN_ACCESS_TTL: "10m",
};
const run = (given: Record<string, string>, ...options: string[]) => {
  const fake = fakeIo({ env: given });
  const code = main(["check-config", ...options], fake.io, [checkConfig]);
  return code.then((exitCode) => ({ exitCode, ...fake.written }));
};

test("prints every setting, secrets masked", async () => {
  const { exitCode, stdout, stderr } = await run(env, "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const shown = JSON.parse(stdout);
  expect(Object.keys(shown)).toEqual(settingNames);
  expect(shown).toMatchObject({
    POSTERN_DATABASE_URL: "(set)",
    POSTERN_REDIS_URL: "(set)",
    POSTERN_MASTER_KEY: "(set)",
    POSTERN_SECRET_TOKENS: null,
    POSTERN_ISSUER: "https://auth.example.com",
    POSTERN_ACCESS_TTL: "10m",
    POSTERN_SESSION_TTL: "30d",
  });
  const text = await run(env);
  expect(text.stdout).toMatch(/^POSTERN_ACCESS_TTL +10m$/m);
  expect(stdout + text.stdout).not.toMatch(/hunter[23]/);
  expect(stdout + text.stdout).not.toContain(masterKey);
});

test("O14: any fault is exit code 2, all of them on stderr", async () => {
  const { exitCode, stdout, stderr } = await run({ ...env, POSTERN_ACCESS_TTL: "5", POSTERN_ISUER: "x" });
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toContain("  POSTERN_ACCESS_TTL: write one whole number and one unit");
  expect(stderr).toContain("  POSTERN_ISUER: is not a setting; did you mean POSTERN_ISSUER?");
});

test("warnings go to stderr and change nothing", async () => {
  const { exitCode, stderr } = await run({ ...env, POSTERN_ISUER: "x", POSTERN_UNKNOWN_ENV: "warn" });
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/^warning: POSTERN_ISUER: /);
});

test("with --embedded nothing is required", async () => {
  const { exitCode, stdout } = await run({}, "--embedded", "--json");
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ POSTERN_ISSUER: "(the http address)" });
});
