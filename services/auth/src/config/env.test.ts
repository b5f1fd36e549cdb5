import { describe, expect, test } from "vitest";
import { isKubernetesServiceVariable, readEnv } from "./env.ts";
import { settingNames } from "./settings.ts";

const noFile = (): Uint8Array => {
  throw new Error("no file is to be read");
};

describe("values", () => {
  test("are taken as they are; other names are not looked at", () => {
    const { values, faults } = readEnv(
      { POSTERN_AUDIENCE: " api ", PATH: "/bin", OTHER_POSTERN_X: "1" },
      noFile,
    );
    expect([...values]).toEqual([["POSTERN_AUDIENCE", " api "]]);
    expect(faults).toEqual([]);
  });

  test.each([
    ["value\n", "value"],
    ["value\r\n", "value"],
    ["value\n\n", "value\n"],
    ["value", "value"],
  ])("of a file lose one trailing newline: %j", (content, expected) => {
    const { values } = readEnv({ POSTERN_AUDIENCE_FILE: "/run/a" }, (path) =>
      Buffer.from(path === "/run/a" ? content : ""),
    );
    expect(values.get("POSTERN_AUDIENCE")).toBe(expected);
  });

  test.each(settingNames)("lose a byte order mark, in a file and in the environment: %s", (name) => {
    const fromFile = readEnv({ [`${name}_FILE`]: "/run/a" }, () => Buffer.from("\ufeffvalue\r\n"));
    expect(fromFile.values.get(name)).toBe("value");
    const { values } = readEnv({ [name]: "\ufeffvalue" }, noFile);
    expect(values.get(name)).toBe("value");
  });

  test.each([
    ["UTF-16", Buffer.from("\ufeffhidden", "utf16le")],
    ["UTF-16 without a byte order mark", Buffer.from("hidden", "utf16le")],
    ["Latin-1", Buffer.from("hiddän", "latin1")],
  ])("that come from a file in %s are refused", (_, bytes) => {
    const { values, faults } = readEnv({ POSTERN_BOOTSTRAP_PASSWORD_FILE: "/run/p" }, () => bytes);
    expect(values).toEqual(new Map());
    expect(faults).toEqual([
      {
        setting: "POSTERN_BOOTSTRAP_PASSWORD_FILE",
        message: expect.stringMatching(/^the file is .*save it as UTF-8$/),
      },
    ]);
  });

  test("given in both forms are a fault that holds neither", () => {
    const { faults } = readEnv({ POSTERN_MASTER_KEY: "hidden", POSTERN_MASTER_KEY_FILE: "/run/k" }, noFile);
    expect(faults).toEqual([
      {
        setting: "POSTERN_MASTER_KEY",
        message: "is set, and so is POSTERN_MASTER_KEY_FILE; unset one of them",
      },
    ]);
  });

  test("of a file that cannot be read are a fault", () => {
    const { faults } = readEnv({ POSTERN_MASTER_KEY_FILE: "/nowhere/at/all" });
    expect(faults).toEqual([
      { setting: "POSTERN_MASTER_KEY_FILE", message: "the file cannot be read (ENOENT); name one that can" },
    ]);
  });
});

describe("O14: unknown names", () => {
  test("are faults, with the name that was probably meant", () => {
    const { faults } = readEnv(
      { POSTERN_ACESS_TTL: "5m", POSTERN_ISSUERS_FILE: "/x", POSTERN_: "1" },
      noFile,
    );
    expect(faults).toEqual([
      { setting: "POSTERN_", message: expect.stringMatching(/^is not a setting; unset it/) },
      { setting: "POSTERN_ACESS_TTL", message: "is not a setting; did you mean POSTERN_ACCESS_TTL?" },
      { setting: "POSTERN_ISSUERS_FILE", message: "is not a setting; did you mean POSTERN_ISSUER?" },
    ]);
  });

  test("only warn with POSTERN_UNKNOWN_ENV=warn", () => {
    const { faults, warnings } = readEnv({ POSTERN_ISSUERS: "x", POSTERN_UNKNOWN_ENV: "warn" }, noFile);
    expect(faults).toEqual([]);
    expect(warnings).toEqual(["POSTERN_ISSUERS: is not a setting; did you mean POSTERN_ISSUER?"]);
  });

  test.each(["POSTERN_TRUSTED_PROXIES", "POSTERN_TRUSTED_ISSUERS", "POSTERN_TLS_CERT", "POSTERN_MAIL_URL"])(
    "%s belongs to a later version and is refused, warn or not",
    (name) => {
      const { faults } = readEnv({ [name]: "x", POSTERN_UNKNOWN_ENV: "warn" }, noFile);
      expect(faults).toEqual([{ setting: name, message: "is not supported by this version; unset it" }]);
    },
  );
});

describe("what Kubernetes injects for a Service", () => {
  test.each([
    "POSTERN_SERVICE_HOST",
    "POSTERN_SERVICE_PORT",
    "POSTERN_SERVICE_PORT_HTTP",
    "POSTERN_PORT",
    "POSTERN_PORT_8080_TCP",
    "POSTERN_PORT_8080_TCP_PROTO",
    "POSTERN_PORT_8080_TCP_PORT",
    "POSTERN_PORT_8080_TCP_ADDR",
    "POSTERN_GRPC_SERVICE_HOST",
    "POSTERN_GRPC_PORT_9090_UDP_ADDR",
  ])("%s is ignored", (name) => {
    expect(readEnv({ [name]: "tcp://10.0.0.1:1" }, noFile)).toEqual({
      values: new Map(),
      faults: [],
      warnings: [],
    });
  });

  test("has the name of no setting, nor of its file", () => {
    const names = settingNames.flatMap((name) => [name, `${name}_FILE`]);
    expect(names.filter(isKubernetesServiceVariable)).toEqual([]);
  });

  test("leaves no setting whose name could be another's file", () => {
    expect(settingNames.filter((name) => name.endsWith("_FILE"))).toEqual([]);
  });
});
