import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseConfig } from "./config.ts";
import { type Env, readEnv } from "./env.ts";
import { ConfigError } from "./error.ts";

const masterKey = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 3)).toString("base64");
const token = "0123456789-0123456789-0123456789";
const required = {
  POSTERN_DATABASE_URL: "postgres://postern:a-password@db.example.com/postern",
  POSTERN_ISSUER: "https://auth.example.com",
  POSTERN_MASTER_KEY: masterKey,
};
const parse = (env: Env, embedded = false) => parseConfig(readEnv(env), { embedded });

function faultsOf(env: Env, embedded = false): string[] {
  try {
    parse(env, embedded);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message.split("\n")).toHaveLength(error.faults.length);
    return error.faults.map(({ setting }) => setting);
  }
}

test("what is required is enough: the rest has defaults", () => {
  expect(parse(required)).toEqual({
    embedded: false,
    dataDir: "./.postern",
    databaseUrl: required.POSTERN_DATABASE_URL,
    redis: undefined,
    http: { host: "127.0.0.1", port: 8080 },
    grpc: { host: "127.0.0.1", port: 9090 },
    ops: { host: "127.0.0.1", port: 9464 },
    issuer: "https://auth.example.com",
    audience: undefined,
    masterKeys: [new Uint8Array(Buffer.from(masterKey, "base64"))],
    secretTokens: [],
    bootstrap: undefined,
    sessions: {
      accessTtlMs: 300_000,
      sessionTtlMs: 2_592_000_000,
      idleTtlMs: 604_800_000,
      maxSessions: 100,
      refreshGraceMs: 30_000,
    },
    introspectStalenessMs: 0,
    passwordMinLength: 12,
    loginLimits: {
      account: { count: 10, windowMs: 600_000 },
      accountAll: { count: 100, windowMs: 3_600_000 },
      address: { count: 100, windowMs: 600_000 },
      total: { count: 1000, windowMs: 60_000 },
    },
    signingAlg: "ES256",
    keyRotation: { rotateEveryMs: 30 * 86_400_000, publishLeadMs: 40 * 60_000 },
    auditRetentionMs: 365 * 86_400_000,
    routes: [],
    migrate: true,
    drainDelayMs: 5_000,
    drainTimeoutMs: 10_000,
    logLevel: "info",
  });
});

test("embedded needs nothing, and does not look at POSTERN_DATABASE_URL", () => {
  const nothing = { databaseUrl: undefined, issuer: undefined, audience: "postern-demo", masterKeys: [] };
  expect(parse({}, true)).toMatchObject(nothing);
  expect(parse(required, true).databaseUrl).toBeUndefined();
});

test.each([true, false])("Redis is used where it is named, embedded or not (%s)", (embedded) => {
  const { redis } = parse({ ...required, POSTERN_REDIS_URL: "rediss://:a-pass@redis.example.com" }, embedded);
  expect(redis).toMatchObject({ mode: "single", tls: true, password: "a-pass" });
});

test("a login limit that is not named keeps its default", () => {
  const { loginLimits } = parse({ ...required, POSTERN_LOGIN_LIMITS: "total=off" });
  expect(loginLimits).toMatchObject({ account: { count: 10, windowMs: 600_000 }, total: undefined });
});

test("without --embedded the database, the issuer and the master key are required", () => {
  expect(faultsOf({})).toEqual(Object.keys(required));
});

test("the default audience is what a secret token without audiences may ask for", () => {
  const POSTERN_SECRET_TOKENS = JSON.stringify([{ name: "web", token, permissions: ["login"] }]);
  const { secretTokens } = parse({ ...required, POSTERN_AUDIENCE: "api", POSTERN_SECRET_TOKENS });
  expect(secretTokens.map(({ caller }) => caller.audiences)).toEqual([new Set(["api"])]);
});

describe("what proxies may let pass", () => {
  function routesFile(text: string): string {
    const folder = mkdtempSync(`${tmpdir()}/postern-routes-`);
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(`${folder}/routes.yaml`, text);
    return `${folder}/routes.yaml`;
  }
  const whole = { host: undefined, path: "/*", methods: undefined, auth: "required", scopes: [] };
  const POSTERN_AUDIENCE = "api";

  test("is empty without a file and an audience, and requires a token for the audience without a file", () => {
    expect(parse(required).routes).toEqual([]);
    expect(parse({ ...required, POSTERN_AUDIENCE }).routes).toEqual([{ ...whole, audiences: ["api"] }]);
    expect(parse({}, true).routes).toEqual([{ ...whole, audiences: ["postern-demo"] }]);
  });

  test("comes from the file, with the default audience for entries without one", () => {
    const text =
      "[{ path: /a, auth: required, audiences: [b] }, { path: /b, auth: optional }, { path: /c, auth: public }]";
    const POSTERN_ROUTES = routesFile(text);
    const audiences = (env: Env, embedded = false) =>
      parse(env, embedded).routes.map((route) => route.audiences);
    expect(audiences({ ...required, POSTERN_AUDIENCE, POSTERN_ROUTES })).toEqual([["b"], ["api"], ["api"]]);
    expect(audiences({ POSTERN_ROUTES }, true)).toEqual([["b"], ["postern-demo"], ["postern-demo"]]);
    expect(() => parse({ ...required, POSTERN_ROUTES })).toThrow("POSTERN_ROUTES: entry 2 has no audiences");
  });

  test("asks for no audience where no token is looked at", () => {
    const POSTERN_ROUTES = routesFile("[{ path: /c, auth: public }]");
    expect(parse({ ...required, POSTERN_ROUTES }).routes).toEqual([
      { ...whole, path: "/c", auth: "public", audiences: [] },
    ]);
  });

  test("O14: a file with a fault is named with its entry", () => {
    const POSTERN_ROUTES = routesFile("- path: /a\n  auth: public\n- path: a\n  auth: public\n");
    expect(() => parse({ ...required, POSTERN_ROUTES })).toThrow(
      "POSTERN_ROUTES: entry 2 (line 3) needs `path`",
    );
  });
});

test("all faults are reported together, each once", () => {
  const env = {
    POSTERN_ACCESS_TTL: "5",
    POSTERN_NOTHING: "1",
    POSTERN_MIGRATE: "no",
    POSTERN_HTTP_ADDR: "x",
  };
  expect(faultsOf(env, true).toSorted()).toEqual(Object.keys(env).toSorted());
});

test("no fault repeats a value", () => {
  const secrets = {
    POSTERN_MASTER_KEY: "s3cret",
    POSTERN_DATABASE_URL: "s3cret",
    POSTERN_SECRET_TOKENS: "[s3cret]",
    POSTERN_REDIS_URL: "redis://s3cret@h",
  };
  const others = {
    POSTERN_LOG_LEVEL: "s3cret",
    POSTERN_ISSUER: "https://s3cret@a.example",
    POSTERN_AUDIENCE: "s3cret *",
    POSTERN_LOGIN_LIMITS: "s3cret=1/1s",
  };
  expect(() => parse({ ...secrets, ...others })).toThrow(ConfigError);
  expect(() => parse({ ...secrets, ...others })).not.toThrow(/s3cret/);
});

describe("O14: refused", () => {
  test.each<[string, Env, string]>([
    ["an access token without a life", { POSTERN_ACCESS_TTL: "0s" }, "POSTERN_ACCESS_TTL"],
    ["an access token of more than an hour", { POSTERN_ACCESS_TTL: "61m" }, "POSTERN_ACCESS_TTL"],
    ["a span without a unit", { POSTERN_SESSION_TTL: "30" }, "POSTERN_SESSION_TTL"],
    ["a session without a life", { POSTERN_SESSION_IDLE_TTL: "0" }, "POSTERN_SESSION_IDLE_TTL"],
    ["a grace as long as the access token", { POSTERN_REFRESH_GRACE: "5m" }, "POSTERN_REFRESH_GRACE"],
    ["an idle time beyond the session", { POSTERN_SESSION_IDLE_TTL: "31d" }, "POSTERN_SESSION_IDLE_TTL"],
    ["a login limit of nothing", { POSTERN_LOGIN_LIMITS: "account=0/10m" }, "POSTERN_LOGIN_LIMITS"],
    ["a Redis by another scheme", { POSTERN_REDIS_URL: "http://h" }, "POSTERN_REDIS_URL"],
    ["no session at all", { POSTERN_MAX_SESSIONS: "0" }, "POSTERN_MAX_SESSIONS"],
    ["an unknown algorithm", { POSTERN_SIGNING_ALG: "HS256" }, "POSTERN_SIGNING_ALG"],
    ["an empty value", { POSTERN_AUDIENCE: "" }, "POSTERN_AUDIENCE"],
    ["an open http listener", { POSTERN_HTTP_ADDR: "0.0.0.0:80" }, "POSTERN_HTTP_ADDR"],
    ["an open grpc listener", { POSTERN_GRPC_ADDR: "[::]:90" }, "POSTERN_GRPC_ADDR"],
    ["an e-mail address alone", { POSTERN_BOOTSTRAP_EMAIL: "a@b.example" }, "POSTERN_BOOTSTRAP_PASSWORD"],
    ["a password alone", { POSTERN_BOOTSTRAP_PASSWORD: "long enough, that one" }, "POSTERN_BOOTSTRAP_EMAIL"],
    ["Postern's own audience", { POSTERN_AUDIENCE: "https://auth.example.com/postern" }, "POSTERN_AUDIENCE"],
  ])("%s", (_, env, setting) => {
    expect(faultsOf({ ...required, ...env })).toEqual([setting]);
  });

  test("a faulty setting is not blamed on another one as well", () => {
    const env = { ...required, POSTERN_ACCESS_TTL: "2d", POSTERN_REFRESH_GRACE: "50m" };
    expect(faultsOf(env)).toEqual(["POSTERN_ACCESS_TTL"]);
  });
});

describe("O14: a first administrator that cannot be created is refused", () => {
  const admin = (email: string, password = "a long enough passphrase") => ({
    ...required,
    POSTERN_BOOTSTRAP_EMAIL: email,
    POSTERN_BOOTSTRAP_PASSWORD: password,
  });

  test.each([
    "root@postern",
    "root@127.0.0.1",
    "root",
    "a..b@example.com",
    "\u0430dmin@example.com",
    "a@b@example.com",
  ])("the address %s is refused", (email) => {
    expect(faultsOf(admin(email))).toEqual(["POSTERN_BOOTSTRAP_EMAIL"]);
    expect(faultsOf(admin(email), true)).toEqual(["POSTERN_BOOTSTRAP_EMAIL"]);
  });

  test.each([
    ["common", "password123456"],
    ["a common one, repeated", "passwordpassword"],
    ["one character, repeated", "aaaaaaaaaaaaaaaa"],
    ["the address", "administrator@example.com"],
    ["the local part of the address with one more character", "administrator1"],
    ["too short after normalization", "u\u0308".repeat(6)],
  ])("a password is refused if it is %s", (_, password) => {
    const env = admin("administrator@example.com", password);
    expect(faultsOf(env)).toEqual(["POSTERN_BOOTSTRAP_PASSWORD"]);
    expect(() => parse(env)).not.toThrow(password);
  });

  test("white space is dropped around the address, but not around the password", () => {
    const { bootstrap } = parse(admin(" Root@example.com\u00a0", " a long enough passphrase "));
    expect(bootstrap).toEqual({ email: "Root@example.com", password: " a long enough passphrase " });
  });
});

describe("O14: two listeners cannot have the same address and port", () => {
  test.each([
    ["127.0.0.1:7000", "127.0.0.1:7000"],
    ["localhost:7000", "127.0.0.1:7000"],
    ["LOCALHOST:7000", "localhost:7000"],
    ["[::1]:7000", "[0:0:0:0:0:0:0:1]:7000"],
    ["0.0.0.0:7000", "127.0.0.1:7000"],
    ["127.0.0.1:7000", "[::]:7000"],
    ["[::]:7000", "0.0.0.0:7000"],
    ["[::ffff:127.0.0.1]:7000", "127.0.0.1:7000"],
    ["[fe80::1%eth0]:7000", "[FE80::1%eth0]:7000"],
  ])("%s and %s are refused", (http, ops) => {
    const env = { ...required, POSTERN_PLAINTEXT: "mesh", POSTERN_HTTP_ADDR: http, POSTERN_OPS_ADDR: ops };
    expect(faultsOf(env)).toEqual(["POSTERN_OPS_ADDR"]);
  });

  test.each([
    ["127.0.0.1:0", "127.0.0.1:0"],
    ["127.0.0.1:7000", "127.0.0.1:7001"],
    ["127.0.0.1:7000", "127.0.0.2:7000"],
    ["a.example:7000", "b.example:7000"],
    ["0.0.0.0:7000", "[::1]:7000"],
    ["[fe80::1%eth0]:7000", "127.0.0.1:7000"],
    ["[fe80::1%eth0]:7000", "[fe80::1%eth1]:7000"],
  ])("%s and %s are accepted", (http, ops) => {
    const env = { ...required, POSTERN_PLAINTEXT: "mesh", POSTERN_HTTP_ADDR: http, POSTERN_OPS_ADDR: ops };
    expect(faultsOf(env)).toEqual([]);
  });
});

test.each(["0", "0s"])("a grace of %s is strict", (text) => {
  expect(parse({ ...required, POSTERN_REFRESH_GRACE: text }).sessions.refreshGraceMs).toBe(0);
});

test("listeners may be open where a mesh encrypts, and the ops listener anyway", () => {
  const open = {
    POSTERN_HTTP_ADDR: "0.0.0.0:80",
    POSTERN_GRPC_ADDR: "[::]:90",
    POSTERN_OPS_ADDR: "0.0.0.0:9464",
  };
  expect(faultsOf({ ...required, ...open, POSTERN_PLAINTEXT: "mesh" })).toEqual([]);
  expect(faultsOf({ ...required, POSTERN_OPS_ADDR: "0.0.0.0:9464" })).toEqual([]);
});

describe("J15: a poor secret is refused", () => {
  const bootstrap = (password: string) => ({
    POSTERN_BOOTSTRAP_EMAIL: "admin@example.com",
    POSTERN_BOOTSTRAP_PASSWORD: password,
  });
  const tokens = (text: string) => ({
    POSTERN_SECRET_TOKENS: JSON.stringify([{ name: "web", token: text, permissions: ["login"] }]),
  });
  const database = (password: string) => ({ POSTERN_DATABASE_URL: `postgres://u:${password}@h/db` });

  const redis = (password: string) => ({ POSTERN_REDIS_URL: `redis+cluster://u:${password}@h,i` });

  test.each<[string, Env, string]>([
    ["an empty master key", { POSTERN_MASTER_KEY: "" }, "POSTERN_MASTER_KEY"],
    ["an all-zero master key", { POSTERN_MASTER_KEY: `${"A".repeat(43)}=` }, "POSTERN_MASTER_KEY"],
    ["a short token", tokens("short"), "POSTERN_SECRET_TOKENS"],
    ["a short bootstrap password", bootstrap("elevenchars"), "POSTERN_BOOTSTRAP_PASSWORD"],
    ["the master key as a token", tokens(masterKey), "POSTERN_SECRET_TOKENS"],
    ["the master key as a password", bootstrap(masterKey), "POSTERN_BOOTSTRAP_PASSWORD"],
    ["a token as a password", { ...tokens(token), ...bootstrap(token) }, "POSTERN_BOOTSTRAP_PASSWORD"],
    ["a token as the database's password", { ...tokens(token), ...database(token) }, "POSTERN_DATABASE_URL"],
    ["the database's password for Redis", redis("a%2dpassword"), "POSTERN_REDIS_URL"],
    ["a token as Redis's password", { ...tokens(token), ...redis(token) }, "POSTERN_REDIS_URL"],
    [
      "a password in two places",
      { ...bootstrap("p@ss p@ss p@ss"), ...database("p%40ss%20p%40ss%20p%40ss") },
      "POSTERN_DATABASE_URL",
    ],
  ])("%s", (_, env, setting) => {
    expect(faultsOf({ ...required, ...env })).toEqual([setting]);
  });
});
