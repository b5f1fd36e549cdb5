import { SettingError } from "../error.ts";
import { nearestName } from "../nearest-name.ts";
import { checkDatabaseTls } from "./database-tls.ts";

/** The parameters that the driver uses and that Postern does not set itself. */
const parameterNames = [
  ...["application_name", "host", "options", "password", "port", "user"],
  ...["sslcert", "sslkey", "sslmode", "sslnegotiation", "sslrootcert"],
];
const encode =
  "percent-encode special characters in the user name and the password (`%` is `%25`), and remove white space";

/**
 * A `postgres://` URL of one server. Everything that the driver would ignore, guess, or read differently from libpq is
 * refused. `sslmode=require` and `verify-ca` become `verify-full`, because the driver treats them so, with a warning.
 */
export function parseDatabaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["postgres:", "postgresql:"].includes(url.protocol)) {
    throw new SettingError(
      "write one `postgres://user:password@host:port/database`; percent-encode special characters in its parts",
    );
  }
  // Otherwise the part of a password after such a character would become the host and be logged.
  if (`${url.pathname}${url.search}${url.hash}`.includes("@") || url.hash !== "")
    throw new SettingError(encode);
  if (/[\s\p{Cc}]/u.test(text) || !isEncoded(text, url)) throw new SettingError(encode);
  const parameters = readParameters(url.searchParams);
  if (`${url.hostname}${parameters.get("host") ?? ""}`.includes(",")) {
    throw new SettingError("name one host: an address that follows the primary");
  }
  if (!isPort(url.port || "5432") || !isPort(parameters.get("port") ?? "5432")) {
    throw new SettingError("write a port from 1 to 65535, or none");
  }
  const sslmode = checkDatabaseTls(parameters);
  if (sslmode === parameters.get("sslmode") || sslmode === undefined) return text;
  url.searchParams.set("sslmode", sslmode);
  return url.href;
}

/** The password in a URL that `parseDatabaseUrl` accepts; empty if there is none. */
export function databasePassword(text: string): string {
  const url = new URL(text);
  return url.searchParams.get("password") ?? decodeURIComponent(url.password);
}

/** Whether every part can be decoded. If a part cannot, the driver decodes it once too often or not at all. */
function isEncoded(text: string, { username, password, hostname, pathname }: URL): boolean {
  if (/%(?![0-9a-f]{2})/i.test(text)) return false;
  try {
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

function isPort(text: string): boolean {
  return /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535;
}

function readParameters(query: URLSearchParams): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of query) {
    if (!parameterNames.includes(name)) throw new SettingError(unknownMessage(name, value));
    if (parameters.has(name)) throw new SettingError(`\`${name}\` occurs twice; leave one out`);
    if (value === "") throw new SettingError(`\`${name}\` is empty; give it a value or leave it out`);
    parameters.set(name, value);
  }
  return parameters;
}

function unknownMessage(name: string, value: string): string {
  // Text that is not a valid name may be part of a password.
  if (value === "" || !/^[a-z][a-z0-9_]{0,31}$/i.test(name))
    return "the text after `?` is not a parameter; leave it out";
  if (name === "ssl") return "leave out `ssl`: write `sslmode=verify-full` or `sslmode=disable`";
  const nearest = nearestName(name, parameterNames);
  if (nearest !== undefined) return `there is no parameter \`${name}\`; did you mean \`${nearest}\`?`;
  return `leave out the parameter \`${name}\`: Postern does not support it; supported are ${parameterNames.join(", ")}`;
}
