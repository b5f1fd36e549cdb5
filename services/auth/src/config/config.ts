import type { Route } from "../domain/access/proxy/route-table.ts";
import type { LoginLimits } from "../domain/login/login-limits.ts";
import type { SigningAlg } from "../domain/ports/key-store.ts";
import type { RedisTarget } from "../domain/ports/redis-target.ts";
import type { SecretToken } from "../domain/ports/secret-token-directory.ts";
import type { SessionPolicy } from "../domain/ports/session-store.ts";
import type { Address } from "../lib/address.ts";
import type { RawSettings } from "./env.ts";
import { ConfigError, type ConfigFault, SettingError } from "./error.ts";
import { toRoutes } from "./parsers/routes.ts";
import { toSecretToken } from "./parsers/secret-tokens.ts";
import { checkRules } from "./rules.ts";
import { type Setting, type SettingName, type SettingValues, settingNames, settings } from "./settings.ts";

/** The checked configuration. Nothing else reads settings. Time spans are in milliseconds. */
export interface Config {
  readonly embedded: boolean;
  /** Folder of the embedded database, as written. */
  readonly dataDir: string;
  /** Undefined only when embedded. */
  readonly databaseUrl: string | undefined;
  /** Undefined: without Redis. */
  readonly redis: RedisTarget | undefined;
  readonly http: Address;
  readonly grpc: Address;
  readonly ops: Address;
  /** Undefined only when embedded: then the http address. */
  readonly issuer: string | undefined;
  /** `aud` of a token if neither the request nor the caller names one. */
  readonly audience: string | undefined;
  /** 32 bytes each. The first one seals, all open. Empty only when embedded. */
  readonly masterKeys: readonly Uint8Array[];
  readonly secretTokens: readonly SecretToken[];
  /** The first administrator. */
  readonly bootstrap: { readonly email: string; readonly password: string } | undefined;
  readonly sessions: SessionPolicy;
  readonly introspectStalenessMs: number;
  /** Minimum number of characters of a password. */
  readonly passwordMinLength: number;
  readonly loginLimits: LoginLimits;
  readonly signingAlg: SigningAlg;
  readonly keyRotation: { readonly rotateEveryMs: number; readonly publishLeadMs: number };
  readonly auditRetentionMs: number;
  /** Which proxied requests may pass. The first matching route counts. */
  readonly routes: readonly Route[];
  /** Whether `serve` applies migrations. */
  readonly migrate: boolean;
  /** How long calls are accepted after readiness is off. */
  readonly drainDelayMs: number;
  /** How long open calls may take after that. */
  readonly drainTimeoutMs: number;
  /** A level of pino. */
  readonly logLevel: string;
}

/**
 * Checks every setting, and the rules between settings.
 * @throws {ConfigError} with all faults, the faults of reading the environment first
 */
export function parseConfig(raw: RawSettings, { embedded }: { readonly embedded: boolean }): Config {
  const { values, faults } = parseSettings(raw);
  const faulty = new Set([...raw.faults, ...faults].map(({ setting }) => setting.replace(/_FILE$/, "")));
  const all = [...raw.faults, ...faults, ...checkRules(values, { embedded, faulty })];
  if (all.length > 0) throw new ConfigError(all);

  const audience = values.POSTERN_AUDIENCE ?? (embedded ? "postern-demo" : undefined);
  const email = values.POSTERN_BOOTSTRAP_EMAIL;
  const password = values.POSTERN_BOOTSTRAP_PASSWORD;
  return {
    embedded,
    dataDir: values.POSTERN_DATA_DIR,
    databaseUrl: embedded ? undefined : values.POSTERN_DATABASE_URL,
    redis: values.POSTERN_REDIS_URL,
    http: values.POSTERN_HTTP_ADDR,
    grpc: values.POSTERN_GRPC_ADDR,
    ops: values.POSTERN_OPS_ADDR,
    issuer: values.POSTERN_ISSUER,
    audience,
    masterKeys: values.POSTERN_MASTER_KEY ?? [],
    secretTokens: (values.POSTERN_SECRET_TOKENS ?? []).map((entry) => toSecretToken(entry, audience)),
    bootstrap: email === undefined || password === undefined ? undefined : { email, password },
    sessions: {
      accessTtlMs: values.POSTERN_ACCESS_TTL,
      sessionTtlMs: values.POSTERN_SESSION_TTL,
      idleTtlMs: values.POSTERN_SESSION_IDLE_TTL,
      maxSessions: values.POSTERN_MAX_SESSIONS,
      refreshGraceMs: values.POSTERN_REFRESH_GRACE,
    },
    introspectStalenessMs: values.POSTERN_INTROSPECT_STALENESS,
    passwordMinLength: values.POSTERN_PASSWORD_MIN_LENGTH,
    loginLimits: values.POSTERN_LOGIN_LIMITS,
    signingAlg: values.POSTERN_SIGNING_ALG,
    keyRotation: {
      rotateEveryMs: values.POSTERN_KEY_ROTATE_EVERY,
      publishLeadMs: values.POSTERN_KEY_PUBLISH_LEAD,
    },
    auditRetentionMs: values.POSTERN_AUDIT_RETENTION,
    routes: toRoutes(values.POSTERN_ROUTES, audience),
    migrate: values.POSTERN_MIGRATE === "on",
    drainDelayMs: embedded && !raw.values.has("POSTERN_DRAIN_DELAY") ? 0 : values.POSTERN_DRAIN_DELAY,
    drainTimeoutMs: values.POSTERN_DRAIN_TIMEOUT,
    logLevel: values.POSTERN_LOG_LEVEL,
  };
}

/** A faulty setting has its default, so that the others can be checked. */
function parseSettings(raw: RawSettings): { values: SettingValues; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const parse = (name: SettingName): unknown => {
    const setting: Setting<unknown> = settings[name];
    const text = raw.values.get(name);
    try {
      if (text !== undefined) return setting.parse(text);
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      faults.push({ setting: name, message: error.message });
    }
    return setting.default === undefined ? undefined : setting.parse(setting.default);
  };
  const values = Object.fromEntries(settingNames.map((name) => [name, parse(name)]));
  // Each value has the type of its parser.
  return { values: values as SettingValues, faults };
}
