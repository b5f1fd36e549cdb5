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

/** One environment variable of ours. */
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
    "`host:port` of the operator's listener: `/livez`, `/readyz`, `/metrics`",
  ),
  POSTERN_PLAINTEXT: optional(
    parseChoice("mesh"),
    "`mesh` says that someone else encrypts; without it the http and grpc listeners must be on loopback",
  ),
  POSTERN_DATABASE_URL: optional(
    parseDatabaseUrl,
    "`postgres://…` (Postgres 14 or newer); for TLS with `sslmode=verify-full`, see [postgres.md](../operate/postgres.md#tls); required unless `--embedded`, which does not use it",
    { secret: true, embedded: "the embedded database" },
  ),
  POSTERN_REDIS_URL: optional(
    parseRedisUrl,
    "`redis://…`, `redis+sentinel://…` or `redis+cluster://…`, with TLS `rediss…`; none: Postgres alone; see below",
    { secret: true },
  ),
  POSTERN_DATA_DIR: defaulted(
    "./.postern",
    parseText,
    "with `--embedded`: the folder of the database and of the secrets made for it; one that others can read is refused",
  ),
  POSTERN_ISSUER: optional(
    parseIssuer,
    "the `iss` of tokens; required unless `--embedded`; https unless on loopback, without query, fragment or trailing slash",
    { embedded: "the http address" },
  ),
  POSTERN_AUDIENCE: optional(
    parseIdentifier,
    "the `aud` of a token when neither the request nor the caller names one; without it such a request is `INVALID_REQUEST`",
    { embedded: "`postern-demo`" },
  ),
  POSTERN_MASTER_KEY: optional(
    parseMasterKeys,
    "32 bytes in base64 (`openssl rand -base64 32`): seals keys and other secrets at rest; required unless `--embedded`. Several, comma-separated: the first seals, all open",
    { secret: true, embedded: "made at the first start" },
  ),
  POSTERN_SECRET_TOKENS: optional(
    parseSecretTokens,
    "the internal clients that show a secret token, as a JSON list; see below",
    { secret: true, embedded: "one, made at the first start" },
  ),
  POSTERN_BOOTSTRAP_EMAIL: optional(
    parseUserEmail,
    "e-mail address of the first administrator, made if there is none; both or neither of these two",
  ),
  POSTERN_BOOTSTRAP_PASSWORD: optional(parsePassword, "password of the first administrator", {
    secret: true,
  }),
  POSTERN_ACCESS_TTL: defaulted(
    "5m",
    parseSpan("1s", "1h"),
    "life of an access token (1s to 1h), never past its session's end",
  ),
  POSTERN_SESSION_TTL: defaulted("30d", parseSpan("1s", longest), "absolute life of a session (1s to 3650d)"),
  POSTERN_SESSION_IDLE_TTL: defaulted(
    "7d",
    parseSpan("1s", longest),
    "how long a session may go without a refresh; at most `POSTERN_SESSION_TTL`",
  ),
  POSTERN_MAX_SESSIONS: defaulted(
    "100",
    parseInteger(1, 100_000),
    "sessions of a user at once (1 to 100000); beyond it the oldest ends",
  ),
  POSTERN_REFRESH_GRACE: defaulted(
    "30s",
    parseSpan("0s", "1h"),
    "how long a spent refresh token is still answered, for clients that lost the answer or raced; `0` is strict; must be under `POSTERN_ACCESS_TTL`",
  ),
  POSTERN_INTROSPECT_STALENESS: defaulted(
    "0s",
    parseSpan("0s", "1h"),
    "with Postgres lost, `Introspect` may answer from what it last knew for so long (0s to 1h); `0s`: `UNAVAILABLE`",
  ),
  POSTERN_PASSWORD_MIN_LENGTH: defaulted(
    "12",
    parseInteger(8, 256),
    "characters of a new password (8 to 256); at most 1,024 bytes, no composition rules, common passwords refused",
  ),
  POSTERN_LOGIN_LIMITS: defaulted(
    defaultLoginLimits,
    parseLoginLimits,
    "failed logins borne, as `name=count/span` (1 to 1000000, 1s to 24h) or `name=off`; a name left out keeps its default; see below",
  ),
  POSTERN_SIGNING_ALG: defaulted(
    "ES256",
    parseChoice("ES256", "EdDSA", "RS256"),
    "`ES256`, `EdDSA` (Ed25519) or `RS256`, for signing keys made from now on",
  ),
  POSTERN_KEY_ROTATE_EVERY: defaulted(
    "30d",
    parseSpan("1h", longest),
    "how long a signing key signs until the next one takes over (1h to 3650d)",
  ),
  POSTERN_KEY_PUBLISH_LEAD: defaulted(
    "40m",
    parseSpan("5m", longest),
    "how long at least a signing key is published before it signs (5m, which is how long a reader may keep the key set, to 3650d); must be under `POSTERN_KEY_ROTATE_EVERY`",
  ),
  POSTERN_AUDIT_RETENTION: defaulted(
    "365d",
    parseSpan("30d", longest),
    "how long the audit is kept (30d to 3650d)",
  ),
  POSTERN_ROUTES: optional(
    parseRoutesFile,
    "path of the YAML file that says which requests Envoy and other proxies may let pass (at most 256 KiB), read at start; without it every request needs a good token for `POSTERN_AUDIENCE`; see [proxies.md](../guide/proxies.md)",
  ),
  POSTERN_MIGRATE: defaulted(
    "on",
    parseChoice("on", "off"),
    "`on`: `serve` applies migrations; `off`: it refuses to start on an older schema",
  ),
  POSTERN_DRAIN_DELAY: defaulted(
    "5s",
    parseSpan("0s", "5m"),
    "how long calls are still taken after SIGTERM or SIGINT, with readiness off, until nobody routes here any more (0s to 5m); a second signal ends it",
    { embedded: "`0s`" },
  ),
  POSTERN_DRAIN_TIMEOUT: defaulted(
    "10s",
    parseSpan("0s", "5m"),
    "how long calls in flight may take after that (0s to 5m); what is left then is cut off",
  ),
  POSTERN_LOG_LEVEL: defaulted(
    "info",
    parseChoice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    "`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`",
  ),
  POSTERN_UNKNOWN_ENV: defaulted(
    "refuse",
    parseChoice("refuse", "warn"),
    "`warn`: an unknown `POSTERN_*` name only warns, for instance while a version is rolled back",
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

/** Names that later versions give a meaning: refused, since whoever sets one relies on it. */
export const laterSettings = /^POSTERN_(TRUSTED_PROXIES|TRUSTED_ISSUERS|(TLS|POOL|HASH|LIMIT|MAIL|OTEL)_.+)$/;
