import { SettingError } from "../config-error.ts";
import { nearestName } from "../nearest-name.ts";
import { checkDatabaseTls } from "./database-tls.ts";

/** What the driver acts on and Postern does not decide itself. */
const parameterNames = [
  ...["application_name", "host", "options", "password", "port", "user"],
  ...["sslcert", "sslkey", "sslmode", "sslnegotiation", "sslrootcert"],
];
const encode =
  "percent-encode special characters in the user name and the password (`%` is `%25`), and leave no blanks";

/**
 * A `postgres://` URL of one server. Whatever the driver would pass over, guess at or read in another way than libpq is
 * refused. `sslmode=require` and `verify-ca` become `verify-full`, as which the driver takes them anyway, with a warning.
 */
export function parseDatabaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["postgres:", "postgresql:"].includes(url.protocol)) {
    throw new SettingError(
      "write one `postgres://user:password@host:port/database`; percent-encode special characters in its parts",
    );
  }
  // The part of a password after such a character would be taken for the host and logged.
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

/** The password in a URL that `parseDatabaseUrl` takes, empty where it has none. */
export function databasePassword(text: string): string {
  const url = new URL(text);
  return url.searchParams.get("password") ?? decodeURIComponent(url.password);
}

/** Whether every part can be decoded: where one cannot, the driver decodes it once more or once less. */
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
  // What looks like no name may be a piece of a password.
  if (value === "" || !/^[a-z][a-z0-9_]{0,31}$/i.test(name))
    return "what follows the ? is no parameter; leave it out";
  if (name === "ssl") return "leave out `ssl`: write `sslmode=verify-full` or `sslmode=disable`";
  const nearest = nearestName(name, parameterNames);
  if (nearest !== undefined) return `there is no parameter \`${name}\`; did you mean \`${nearest}\`?`;
  return `leave out the parameter \`${name}\`: it would do nothing, or harm; there are ${parameterNames.join(", ")}`;
}
