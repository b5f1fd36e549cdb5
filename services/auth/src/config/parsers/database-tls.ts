import { SettingError } from "../error.ts";
import { readCertificates, readPrivateKey } from "./pem-files.ts";

type Parameters = ReadonlyMap<string, string>;
export type DatabaseSslMode = "disable" | "no-verify" | "verify-full";

const modes: Readonly<Record<string, DatabaseSslMode>> = {
  disable: "disable",
  "no-verify": "no-verify",
  // Both check less than `verify-full` does.
  require: "verify-full",
  "verify-ca": "verify-full",
  "verify-full": "verify-full",
};
const choices =
  "write `sslmode=verify-full` (TLS with a check of the server's certificate), `sslmode=no-verify` (TLS without this check), or `sslmode=disable` (no TLS)";
const tlsNames = ["sslrootcert", "sslcert", "sslkey", "sslnegotiation"];

/**
 * Checks the TLS parameters of the database URL, and the files that they name.
 * @returns the mode; undefined if the URL does not set one
 */
export function checkDatabaseTls(parameters: Parameters): DatabaseSslMode | undefined {
  const mode = readMode(parameters.get("sslmode"));
  const needless = tlsNames.find((name) => mode === "disable" && parameters.has(name));
  if (needless !== undefined) {
    throw new SettingError(`leave out \`${needless}\`: with \`sslmode=disable\` there is no TLS`);
  }
  if (mode === "no-verify" && parameters.has("sslrootcert")) {
    throw new SettingError(
      "`sslrootcert` has no effect with `sslmode=no-verify`; write `sslmode=verify-full`",
    );
  }
  const negotiation = parameters.get("sslnegotiation");
  if (negotiation !== undefined && negotiation !== "postgres" && negotiation !== "direct") {
    throw new SettingError("write `sslnegotiation=postgres` or `sslnegotiation=direct`, or leave it out");
  }
  checkFiles(parameters);
  return mode;
}

function readMode(text: string | undefined): DatabaseSslMode | undefined {
  if (text === undefined) return undefined;
  const mode = Object.hasOwn(modes, text) ? modes[text] : undefined;
  if (mode !== undefined) return mode;
  if (text === "prefer" || text === "allow") {
    throw new SettingError(
      `\`sslmode=${text}\` would fall back to no TLS if the server has none; ${choices}`,
    );
  }
  throw new SettingError(`\`sslmode\` has an unknown value; ${choices}`);
}

function checkFiles(parameters: Parameters): void {
  checkFile(parameters, "sslrootcert", readCertificates);
  const certificates = checkFile(parameters, "sslcert", readCertificates);
  const key = checkFile(parameters, "sslkey", readPrivateKey);
  if ((certificates === undefined) !== (key === undefined)) {
    const [given, missing] = key === undefined ? ["sslcert", "sslkey"] : ["sslkey", "sslcert"];
    throw new SettingError(`\`${given}\` requires \`${missing}\``);
  }
  if (key !== undefined && certificates?.[0]?.checkPrivateKey(key) === false) {
    throw new SettingError(
      "`sslkey` is not the key of `sslcert`: it must match the first certificate in that file",
    );
  }
}

function checkFile<T>(parameters: Parameters, name: string, read: (path: string) => T): T | undefined {
  const path = parameters.get(name);
  if (path === undefined) return undefined;
  try {
    return read(path);
  } catch (error) {
    if (error instanceof SettingError) throw new SettingError(`\`${name}\` ${error.message}`);
    throw error;
  }
}
