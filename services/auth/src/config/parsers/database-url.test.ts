import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { databasePassword, parseDatabaseUrl } from "./database-url.ts";

const folder = mkdtempSync(`${tmpdir()}/postern-database-url-`);
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a new file. @returns its path */
function file(name: string, content: string | Uint8Array): string {
  writeFileSync(`${folder}/${name}`, content);
  return `${folder}/${name}`;
}

function openssl(...args: string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function selfSigned(name: string) {
  const [cert, key] = [`${folder}/${name}.pem`, `${folder}/${name}.key`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...curve, "-keyout", key, "-out", cert, "-subj", `/CN=${name}`, "-days", "1");
  return { cert, key };
}

const [a, b] = [selfSigned("a"), selfSigned("b")];

test.each([
  "postgres://u:p@h:5432/db",
  "postgresql://h/db",
  "postgres:///db?host=/run/postgresql",
  "postgres://%2Frun%2Fpostgresql/db",
  "postgres://u:p%40%25%2F%3F%23@h/db",
  "postgres://h/db?user=u&password=p&port=5433",
  "postgres://h/db?options=-c%20geqo%3Doff&application_name=auth",
  "postgres://h/db?sslmode=disable",
  "postgres://h/db?sslmode=no-verify",
  "postgres://h/db?sslmode=verify-full",
  "postgres://h/db?sslmode=verify-full&sslnegotiation=direct",
  `postgres://h/db?sslmode=verify-full&sslrootcert=${a.cert}`,
  `postgres://h/db?sslrootcert=${a.cert}&sslcert=${b.cert}&sslkey=${b.key}`,
])("%s is a valid database URL", (text) => {
  expect(parseDatabaseUrl(text)).toBe(text);
});

test.each(["require", "verify-ca", "%72equire"])(
  "sslmode=%s becomes verify-full, which checks at least as much",
  (mode) => {
    const parsed = parseDatabaseUrl(`postgres://u:p%40@h/db?application_name=x&sslmode=${mode}`);
    expect(parsed).toBe("postgres://u:p%40@h/db?application_name=x&sslmode=verify-full");
  },
);

describe("O14: an invalid URL is refused, and the message does not repeat it", () => {
  test.each([
    "",
    "h:5432/db",
    "mysql://u:hidden@h/db",
    "postgres://u:hidden@a,b/db",
    "postgres://u:hidden@/db?host=a,b",
    "postgres://u:hid/den@h/db",
    "postgres://u:hid#den@h/db",
    "postgres://u:hidden@h/db#x",
    "postgres://u:hid%den@h/db",
    "postgres://u:hidden%ff@h/db",
    "postgres://hidden%ff@h/db",
    "postgres://h/hidden%ff",
    " postgres://u:hidden@h/db",
    "postgres://u:hidden@h/db\n",
    "postgres://u:hid den@h/db",
    "postgres://u:hidden@h:0/db",
    "postgres://u:hidden@h/db?port=0",
    "postgres://u:hidden@h/db?port=hidden",
    "postgres://h/db?sslmode=hidden",
    "postgres://h/db?sslnegotiation=hidden",
    "postgres://h/db?=hidden",
    "postgres://h/db?hidden",
    "postgres://h/db?password=",
    "postgres://h/db?sslmode=",
  ])("%j", (text) => {
    expect(() => parseDatabaseUrl(text)).toThrow(SettingError);
    expect(() => parseDatabaseUrl(text)).not.toThrow(/hid|den/);
  });
});

describe("O14: an unsupported parameter is refused, and the message names it", () => {
  test.each([
    ["sslmod=verify-full", "`sslmod`; did you mean `sslmode`?"],
    ["sslMode=verify-full", "`sslMode`; did you mean `sslmode`?"],
    ["sslrootcrt=/x", "`sslrootcrt`; did you mean `sslrootcert`?"],
    ["ssl=true", "`ssl`: write `sslmode=verify-full`"],
    ["uselibpqcompat=true&sslmode=require", "`uselibpqcompat`"],
    ["channel_binding=require", "`channel_binding`"],
    ["target_session_attrs=read-write", "`target_session_attrs`"],
    ["connect_timeout=5", "`connect_timeout`"],
    ["statement_timeout=1000", "`statement_timeout`"],
    ["dbname=x", "`dbname`"],
    ["hostaddr=127.0.0.1", "`hostaddr`"],
    ["sslmode=disable&sslmode=verify-full", "`sslmode` occurs twice"],
    ["sslmode=disable&%73slmode=verify-full", "`sslmode` occurs twice"],
  ])("%s", (query, message) => {
    const attempt = () => parseDatabaseUrl(`postgres://u:p@h/db?${query}`);
    expect(attempt).toThrow(SettingError);
    expect(attempt).toThrow(message);
  });
});

describe("O14: TLS parameters that cannot work are refused, and the message says what to write", () => {
  const parse = (query: string) => () => parseDatabaseUrl(`postgres://u:p@h/db?${query}`);

  test.each(["prefer", "allow"])("sslmode=%s is refused, because it falls back to no TLS", (mode) => {
    expect(parse(`sslmode=${mode}`)).toThrow(/write `sslmode=verify-full`.*or `sslmode=disable`/);
  });

  test.each([
    [`sslmode=disable&sslrootcert=${a.cert}`, "`sslrootcert`"],
    [`sslmode=disable&sslcert=${a.cert}&sslkey=${a.key}`, "`sslcert`"],
    ["sslmode=disable&sslnegotiation=direct", "`sslnegotiation`"],
    [`sslmode=no-verify&sslrootcert=${a.cert}`, "`sslrootcert`"],
    [`sslmode=verify-full&sslcert=${a.cert}`, "`sslkey`"],
    [`sslmode=verify-full&sslkey=${a.key}`, "`sslcert`"],
  ])("%s", (query, message) => {
    expect(parse(query)).toThrow(SettingError);
    expect(parse(query)).toThrow(message);
  });

  test.each(["sslrootcert", "sslcert", "sslkey"])("%s must name a readable PEM file", (name) => {
    const others = { sslrootcert: a.cert, sslcert: b.cert, sslkey: b.key };
    const query = (path: string) =>
      `sslmode=verify-full&${Object.entries({ ...others, [name]: path })
        .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
        .join("&")}`;
    expect(parse(query("/nope.pem"))).toThrow(`\`${name}\` names a file that cannot be read (ENOENT)`);
    expect(parse(query("/nope.pem"))).not.toThrow("nope");
    mkdirSync(`${folder}/folder`, { recursive: true });
    expect(parse(query(`${folder}/folder`))).toThrow(`\`${name}\` names a path that is not a file`);
    expect(parse(query(file("junk", "hidden")))).toThrow(`\`${name}\` names a file without a`);
    expect(parse(query(file("der", Buffer.of(0x30, 0x82))))).toThrow(`\`${name}\` names a file without a`);
    const label = name === "sslkey" ? "PRIVATE KEY" : "CERTIFICATE";
    const spoilt = `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
    expect(parse(query(file("spoilt", spoilt)))).toThrow(`\`${name}\` names a file with a`);
  });

  test("the key must match the certificate", () => {
    expect(parse(`sslcert=${a.cert}&sslkey=${b.key}`)).toThrow("`sslkey` is not the key of `sslcert`");
  });

  test("a key with a passphrase is refused", () => {
    const sealed = file("sealed", openssl("ec", "-in", a.key, "-aes256", "-passout", "pass:hidden"));
    expect(parse(`sslcert=${a.cert}&sslkey=${sealed}`)).toThrow("passphrase");
  });
});

test("the password is found in every part of a URL that can contain it", () => {
  expect(databasePassword("postgres://u:p%40ss@h/db")).toBe("p@ss");
  expect(databasePassword("postgres://u@h/db?password=p%40ss")).toBe("p@ss");
  expect(databasePassword("postgres://u:one@h/db?password=other")).toBe("other");
  expect(databasePassword("postgres://u@h/db")).toBe("");
});
