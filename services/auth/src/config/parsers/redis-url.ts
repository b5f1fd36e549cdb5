import { isIP, isIPv6 } from "node:net";
import type { RedisTarget } from "../../domain/ports/redis-target.ts";
import { SettingError } from "../error.ts";
import { normalHost } from "./address.ts";
import { isHostName } from "./host-name.ts";

const how =
  "write `redis://user:password@host:port`, `redis+sentinel://host:port,host:port/name` or `redis+cluster://host:port,host:port`, with `rediss` for TLS";
const encode =
  "leave no spaces, and percent-encode special characters in the user name and the password, which are written once, before the hosts";

const modes = { "": "single", "+sentinel": "sentinel", "+cluster": "cluster" } as const;

/**
 * Parses the address of Redis. Not with the platform's URL parser, which refuses several hosts and corrects text that should
 * be refused.
 */
export function parseRedisUrl(text: string): RedisTarget {
  const [, scheme, suffix = "", authority, path, query] =
    /^(rediss?)(\+sentinel|\+cluster)?:\/\/([^/?]*)([^?]*)(?:\?(.*))?$/.exec(text) ?? [];
  if (authority === undefined || path === undefined) throw new SettingError(how);
  // If a password contains such a character, the text after it would be read as a path or as parameters.
  if (/[\s\p{Cc}#\\]/u.test(text) || `${path}?${query ?? ""}`.includes("@")) throw new SettingError(encode);

  const mode = modes[suffix as keyof typeof modes];
  const at = authority.indexOf("@");
  const credentials = at === -1 ? undefined : parseCredentials(authority.slice(0, at));
  const hosts = parseHosts(authority.slice(at + 1), mode);
  const sentinelAuth = parseQuery(query, mode);
  if (sentinelAuth && credentials === undefined) {
    throw new SettingError(
      "`sentinel_auth` needs a user name and a password, or a password, before the hosts",
    );
  }
  return {
    mode,
    hosts,
    tls: scheme === "rediss",
    username: credentials?.username,
    password: credentials?.password,
    ...parsePath(path, mode),
    sentinelAuth,
  };
}

type Mode = RedisTarget["mode"];

/** `user:password` or `:password`. A comma in it means that there are credentials after the first host. */
function parseCredentials(text: string): { username: string | undefined; password: string } {
  if (text.includes(",")) throw new SettingError(encode);
  const [, user = "", secret = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  if (secret === "") {
    throw new SettingError("write `user:password@` or `:password@` before the hosts, or leave the @ out");
  }
  return { username: user === "" ? undefined : decode(user), password: decode(secret) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new SettingError(encode);
  }
}

function parseHosts(text: string, mode: Mode): RedisTarget["hosts"] {
  if (text.includes("@")) throw new SettingError(encode);
  const hosts = text.split(",").map((one, index) => parseHost(one, `host ${index + 1}`, mode));
  if (mode === "single" && hosts.length > 1) {
    throw new SettingError("name one host; several need `redis+sentinel://` or `redis+cluster://`");
  }
  const spellings = hosts.map(({ host, port }) => `${normalHost(host)} ${port}`);
  spellings.forEach((spelling, index) => {
    const first = spellings.indexOf(spelling);
    if (first !== index) {
      throw new SettingError(`hosts ${first + 1} and ${index + 1} are the same; leave one out`);
    }
  });
  return hosts;
}

/** `host` or `host:port`, an IPv6 address in brackets. */
function parseHost(text: string, which: string, mode: Mode): RedisTarget["hosts"][number] {
  if (text === "") throw new SettingError(`${which} is empty; ${how}`);
  const [, bracketed, plain = "", digits] = /^(?:\[([^\]%]+)\]|([^:[\]]+))(?::(.*))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (
    bracketed === undefined ? isIP(host) !== 4 && !isHostName(host, { underscores: true }) : !isIPv6(host)
  ) {
    throw new SettingError(`${which} is neither a name nor an IP address (an IPv6 one goes in brackets)`);
  }
  if (digits === undefined) return { host, port: mode === "sentinel" ? 26_379 : 6379 };
  const port = /^[1-9][0-9]{0,4}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(port <= 65_535)) throw new SettingError(`${which} needs a port from 1 to 65535, or none`);
  return { host, port };
}

function parsePath(path: string, mode: Mode): Pick<RedisTarget, "masterName" | "db"> {
  // One trailing slash has no effect, as in any URL of a server.
  const parts = path.replace(/\/$/, "").split("/").slice(1);
  if (mode === "cluster") {
    if (parts.length > 1 || (parts[0] ?? "0") !== "0")
      throw new SettingError("leave out the path after the hosts: a Cluster has one database");
    return { masterName: undefined, db: 0 };
  }
  const name = mode === "sentinel" ? parts.shift() : undefined;
  // The characters that Sentinel's documentation allows in the name of a master.
  if (mode === "sentinel" && !/^[A-Za-z0-9._-]+$/.test(name ?? "")) {
    throw new SettingError(
      "write the Sentinels' name of the primary after the hosts, such as `/mymaster`: letters, digits, `.`, `_`, `-`",
    );
  }
  const [db = "0", ...rest] = parts;
  if (!/^([0-9]|1[0-5])$/.test(db) || rest.length > 0) {
    throw new SettingError(
      "write the number of the database, from 0 to 15, after the slash, or leave out the slash",
    );
  }
  return { masterName: name, db: Number(db) };
}

/** Whether the Sentinels need the credentials too. There is no other parameter. */
function parseQuery(query: string | undefined, mode: Mode): boolean {
  if (query === undefined) return false;
  const strange = query.split("&").find((one) => mode !== "sentinel" || !/^sentinel_auth(=|$)/.test(one));
  if (strange !== undefined) {
    const [, name] = /^([a-z][a-z0-9_]{0,31})=/i.exec(strange) ?? [];
    const what = name === undefined ? "the text after the ?" : `the parameter \`${name}\``;
    throw new SettingError(`leave out ${what}; there is only \`sentinel_auth=same\`, with Sentinels`);
  }
  if (query !== "sentinel_auth=same")
    throw new SettingError("write `sentinel_auth=same` once, or leave it out");
  return true;
}
