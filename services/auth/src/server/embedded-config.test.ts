import { expect, test } from "vitest";
import { parseConfig } from "../config/config.ts";
import { type Env, readEnv } from "../config/env.ts";
import { createSecretTokenDirectory } from "../crypto/secret-tokens.ts";
import { permissions } from "../domain/caller/permission.ts";
import { withEmbedded } from "./embedded-config.ts";

const key = (seed: number) => Buffer.from(Array.from({ length: 32 }, (_, index) => index + seed));
const embedded = {
  databaseUrl: "postgres://postern:made@127.0.0.1:5432/postgres",
  secrets: {
    masterKey: key(1).toString("base64"),
    databasePassword: "made",
    secretToken: "a-made-token-a-made-token-a-made-token",
    adminEmail: "admin@example.com",
    adminPassword: "a made password",
  },
};
const ready = (env: Env) => withEmbedded(parseConfig(readEnv(env), { embedded: true }), embedded);

test("generated values are used for settings that are not set", () => {
  const config = ready({});
  expect(config).toMatchObject({
    databaseUrl: embedded.databaseUrl,
    masterKeys: [new Uint8Array(key(1))],
    bootstrap: { email: "admin@example.com", password: "a made password" },
  });
  const caller = createSecretTokenDirectory(config.secretTokens).find(embedded.secrets.secretToken);
  expect(caller?.permissions).toEqual(new Set(permissions));
});

test("what is set comes first", () => {
  const token = "0123456789-0123456789-0123456789";
  const config = ready({
    POSTERN_MASTER_KEY: key(9).toString("base64"),
    POSTERN_BOOTSTRAP_EMAIL: "ann@example.com",
    POSTERN_BOOTSTRAP_PASSWORD: "another password",
    POSTERN_SECRET_TOKENS: JSON.stringify([{ name: "web", token, permissions: ["login"] }]),
  });
  expect(config.masterKeys).toEqual([new Uint8Array(key(9))]);
  expect(config.bootstrap).toEqual({ email: "ann@example.com", password: "another password" });
  const directory = createSecretTokenDirectory(config.secretTokens);
  expect([token, embedded.secrets.secretToken].map((it) => directory.find(it)?.name)).toEqual([
    "web",
    "embedded",
  ]);
});
