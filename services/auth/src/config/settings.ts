import { parseAddress } from "./parsers/address.ts";
import { parseDatabaseUrl } from "./parsers/database-url.ts";
import { defaultLoginLimits, parseLoginLimits } from "./parsers/login-limits.ts";
import { parseMasterKeys } from "./parsers/master-keys.ts";
import { parseRedisUrl } from "./parsers/redis-url.ts";
import { parseRoutesFile } from "./parsers/routes-file.ts";
import { parseSecretTokens } from "./parsers/secret-tokens.ts";
import { parseSpan } from "./parsers/span.ts";
import {
  parseChoice,
  parseIdentifier,
  parseInteger,
  parsePassword,
  parseText,
  parseUserEmail,
} from "./parsers/text.ts";
import { parseIssuer } from "./parsers/url.ts";

/** One environment variable of Postern. */
export interface Setting<T, D extends string | undefined = string | undefined> {
  /** For the reader of the documentation: what it does, its range, its unit. */
  readonly meaning: string;
  /** What holds where it is not set, as it would be written. */
  readonly default: D;
  /** What holds where it is not set, with `--embedded`, in words. */
  readonly embedded?: string;
  /** Never shown. */
  readonly secret: boolean;
  /** @throws {SettingError} saying what to write instead */
  readonly parse: (text: string) => T;
}

/** What differs from a public setting without special cases. */
interface Extra {
  readonly embedded?: string;
  readonly secret?: boolean;
}

function optional<T>(parse: (text: string) => T, meaning: string, extra: Extra = {}): Setting<T, undefined> {
  return { secret: false, ...extra, meaning, default: undefined, parse };
}

function defaulted<T>(
  text: string,
  parse: (text: string) => T,
  meaning: string,
  extra: Pick<Extra, "embedded"> = {},
): Setting<T, string> {
  return { secret: false, ...extra, meaning, default: text, parse };
}

/** Longer spans mean that a unit was mistaken. */
const longest = "3650d";

/** Every setting of this version. */
export const settings = {
  POSTERN_HTTP_ADDR: defaulted(
    "127.0.0.1:8080",
    parseAddress,
    "`host:port` of the http listener (HTTP/1.1: Connect, gRPC-Web, JWKS); port `0` picks a free one",
  ),
  POSTERN_GRPC_ADDR: defaulted(
    "127.0.0.1:9090",
    parseAddress,
    "`host:port` of the grpc listener (HTTP/2: gRPC and Connect)",
  ),
  POSTERN_OPS_ADDR: defaulted(
    "127.0.0.1:9464",
    parseAddress,
    "`host:port` of the ops listener: `/livez`, `/readyz`, `/metrics`",
  ),
  POSTERN_PLAINTEXT: optional(
    parseChoice("mesh"),
    "`mesh`: another component encrypts the traffic; without it the http and grpc listeners must be on loopback",
  ),
  POSTERN_DATABASE_URL: optional(
    parseDatabaseUrl,
    "`postgres://…` (Postgres 14 or later); for TLS with `sslmode=verify-full`, see [postgres.md](../operate/postgres.md#tls); required unless `--embedded`, which does not use it",
    { secret: true, embedded: "the embedded database" },
  ),
  POSTERN_REDIS_URL: optional(
    parseRedisUrl,
    "`redis://…`, `redis+sentinel://…` or `redis+cluster://…`, with TLS `rediss…`; none: Postgres alone; see [Redis URLs](#redis-urls)",
    { secret: true },
  ),
  POSTERN_DATA_DIR: defaulted(
    "./.postern",
    parseText,
    "with `--embedded`: the folder of the database and its secrets; a folder that other users can read is refused",
  ),
  POSTERN_ISSUER: optional(
    parseIssuer,
    "the `iss` of tokens; required unless `--embedded`; https unless its host is loopback, without query, fragment or trailing slash",
    { embedded: "the http address" },
  ),
  POSTERN_AUDIENCE: optional(
    parseIdentifier,
    "the `aud` of a token if neither the request nor the caller's entry names one; if it is not set, such a login is `INVALID_REQUEST`",
    { embedded: "`postern-demo`" },
  ),
  POSTERN_MASTER_KEY: optional(
    parseMasterKeys,
    "32 bytes in Base64 (`openssl rand -base64 32`), which encrypt keys and other secrets at rest; required unless `--embedded`. In a comma-separated list, the first encrypts and all decrypt; see [keys.md](../operate/keys.md#change-of-the-master-key)",
    { secret: true, embedded: "generated at the first start" },
  ),
  POSTERN_SECRET_TOKENS: optional(
    parseSecretTokens,
    "the callers that authenticate with a secret token, as a JSON list; see [Secret tokens](#secret-tokens)",
    { secret: true, embedded: "one, generated at the first start" },
  ),
  POSTERN_BOOTSTRAP_EMAIL: optional(
    parseUserEmail,
    "email address of the first administrator, who is created if there is none; set this and `POSTERN_BOOTSTRAP_PASSWORD`, or neither",
  ),
  POSTERN_BOOTSTRAP_PASSWORD: optional(parsePassword, "password of the first administrator", {
    secret: true,
  }),
  POSTERN_ACCESS_TTL: defaulted(
    "5m",
    parseSpan("1s", "1h"),
    "life of an access token (1s to 1h); a token never outlives its session",
  ),
  POSTERN_SESSION_TTL: defaulted("30d", parseSpan("1s", longest), "absolute life of a session (1s to 3650d)"),
  POSTERN_SESSION_IDLE_TTL: defaulted(
    "7d",
    parseSpan("1s", longest),
    "how long a session lasts without a refresh; at most `POSTERN_SESSION_TTL`",
  ),
  POSTERN_MAX_SESSIONS: defaulted(
    "100",
    parseInteger(1, 100_000),
    "active sessions of one user (1 to 100000); above the limit, the oldest session ends",
  ),
  POSTERN_REFRESH_GRACE: defaulted(
    "30s",
    parseSpan("0s", "1h"),
    "how long a spent refresh token still works, for clients that lost the answer or send two refreshes at once; `0` is strict; must be shorter than `POSTERN_ACCESS_TTL`; see [Refresh tokens](#refresh-tokens)",
  ),
  POSTERN_INTROSPECT_STALENESS: defaulted(
    "0s",
    parseSpan("0s", "1h"),
    "how long `Introspect` can answer from memory while Postgres is unavailable (0s to 1h); `0s`: it answers `UNAVAILABLE`",
  ),
  POSTERN_PASSWORD_MIN_LENGTH: defaulted(
    "12",
    parseInteger(8, 256),
    "minimum number of characters of a new password (8 to 256); see [names.md](names.md)",
  ),
  POSTERN_LOGIN_LIMITS: defaulted(
    defaultLoginLimits,
    parseLoginLimits,
    "limits on failed logins, as `name=count/duration` (1 to 1000000, 1s to 24h) or `name=off`; a name that is left out keeps its default; see [Login limits](#login-limits)",
  ),
  POSTERN_SIGNING_ALG: defaulted(
    "ES256",
    parseChoice("ES256", "EdDSA", "RS256"),
    "`ES256`, `EdDSA` (Ed25519) or `RS256`, for new signing keys",
  ),
  POSTERN_KEY_ROTATE_EVERY: defaulted(
    "30d",
    parseSpan("1h", longest),
    "how long a signing key signs before the next one replaces it (1h to 3650d)",
  ),
  POSTERN_KEY_PUBLISH_LEAD: defaulted(
    "40m",
    parseSpan("5m", longest),
    "minimum time for which a signing key is published before it signs (5m, the time that readers can cache the key set, to 3650d); must be shorter than `POSTERN_KEY_ROTATE_EVERY`",
  ),
  POSTERN_AUDIT_RETENTION: defaulted(
    "365d",
    parseSpan("30d", longest),
    "how long audit events are kept (30d to 3650d)",
  ),
  POSTERN_ROUTES: optional(
    parseRoutesFile,
    "path of the routes file, which is read at the start; without it, every request that a proxy asks about needs a valid token for `POSTERN_AUDIENCE`; see [proxies.md](../guide/proxies.md)",
  ),
  POSTERN_MIGRATE: defaulted(
    "on",
    parseChoice("on", "off"),
    "`on`: `serve` applies migrations; `off`: it refuses to start on an older schema",
  ),
  POSTERN_DRAIN_DELAY: defaulted(
    "5s",
    parseSpan("0s", "5m"),
    "how long the server accepts calls after SIGTERM or SIGINT, while it reports that it is not ready (0s to 5m); a second signal ends the delay",
    { embedded: "`0s`" },
  ),
  POSTERN_DRAIN_TIMEOUT: defaulted(
    "10s",
    parseSpan("0s", "5m"),
    "how long calls in flight can take after that (0s to 5m); the server then ends those that are left",
  ),
  POSTERN_LOG_LEVEL: defaulted(
    "info",
    parseChoice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    "`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`",
  ),
  POSTERN_UNKNOWN_ENV: defaulted(
    "refuse",
    parseChoice("refuse", "warn"),
    "`warn`: an unknown `POSTERN_*` name only causes a warning, for example while you roll back a version",
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type SettingName = keyof typeof settings;

/** Each setting's value; undefined only where there is no default. */
export type SettingValues = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Setting<infer T, infer D>
    ? D extends string
      ? T
      : T | undefined
    : never;
};

/** In the order of the documentation. */
export const settingNames: readonly SettingName[] = Object.keys(settings).filter(isSettingName);

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name);
}

/** Names that later versions may define. They are refused, because an operator who sets one relies on it. */
export const laterSettings = /^POSTERN_(TRUSTED_PROXIES|TRUSTED_ISSUERS|(TLS|POOL|HASH|LIMIT|MAIL|OTEL)_.+)$/;
