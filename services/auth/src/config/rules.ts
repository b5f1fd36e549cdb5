import { isIPv6 } from "node:net";
import { AuthError } from "../domain/errors.ts";
import { checkNewPassword } from "../domain/user/password-policy.ts";
import type { Address } from "../lib/address.ts";
import { isCommonPassword } from "../lib/common-passwords.ts";
import { sha256Of } from "../lib/sha256.ts";
import type { ConfigFault } from "./error.ts";
import { isLoopback, normalHost } from "./parsers/address.ts";
import { databasePassword } from "./parsers/database-url.ts";
import type { SettingName, SettingValues } from "./settings.ts";

interface Situation {
  readonly embedded: boolean;
  /** Settings that have a fault already. Rules about them are not checked. */
  readonly faulty: ReadonlySet<string>;
}

/** Rules between settings. */
export function checkRules(values: SettingValues, { embedded, faulty }: Situation): ConfigFault[] {
  const faults: ConfigFault[] = [
    ...(embedded ? [] : requiredFaults(values)),
    ...plaintextFaults(values),
    ...portFaults(values),
    ...spanFaults(values),
    ...bootstrapFaults(values),
    ...audienceFaults(values),
    ...(embedded ? [] : routeFaults(values)),
    ...reuseFaults(values),
  ].filter(({ about }) => !about.some((name) => faulty.has(name)));
  return faults.map(({ setting, message }) => ({ setting, message }));
}

/** A fault, and every setting that it is about. */
interface RuleFault extends ConfigFault {
  readonly about: readonly SettingName[];
}

function fault(setting: SettingName, message: string, ...others: SettingName[]): RuleFault {
  return { setting, message, about: [setting, ...others] };
}

function requiredFaults(values: SettingValues): RuleFault[] {
  const required: readonly [SettingName, string][] = [
    ["POSTERN_DATABASE_URL", "the database's `postgres://…` URL"],
    ["POSTERN_ISSUER", "the https URL that tokens name as their issuer"],
    ["POSTERN_MASTER_KEY", "32 bytes in base64; make them with `openssl rand -base64 32`"],
  ];
  return required
    .filter(([name]) => values[name] === undefined)
    .map(([name, what]) => fault(name, `is required without --embedded: ${what}`));
}

function plaintextFaults(values: SettingValues): RuleFault[] {
  if (values.POSTERN_PLAINTEXT === "mesh") return [];
  const listeners = ["POSTERN_HTTP_ADDR", "POSTERN_GRPC_ADDR"] as const;
  return listeners
    .filter((name) => !isLoopback(values[name].host))
    .map((name) =>
      fault(
        name,
        "is not on loopback and not encrypted; set POSTERN_PLAINTEXT=mesh if a mesh or proxy encrypts it",
        "POSTERN_PLAINTEXT",
      ),
    );
}

/** Two listeners cannot share an address and port. */
function portFaults(values: SettingValues): RuleFault[] {
  const listeners = ["POSTERN_HTTP_ADDR", "POSTERN_GRPC_ADDR", "POSTERN_OPS_ADDR"] as const;
  return listeners.flatMap((name, index) => {
    const other = listeners.slice(0, index).find((earlier) => overlap(values[earlier], values[name]));
    return other === undefined
      ? []
      : [fault(name, `has the same address and port as ${other}; choose another port`, other)];
  });
}

function overlap(one: Address, other: Address): boolean {
  if (one.port === 0 || one.port !== other.port) return false;
  const [a = "", b = ""] = [one, other].map(({ host }) =>
    normalHost(host).replace(/^localhost$/, "127.0.0.1"),
  );
  return a === b || covers(a, b) || covers(b, a);
}

/** Whether a listener on all addresses includes `host`. A listener on `::` also accepts IPv4 connections. */
function covers(all: string, host: string): boolean {
  return all === "::" || (all === "0.0.0.0" && !isIPv6(host));
}

function spanFaults(values: SettingValues): RuleFault[] {
  const faults: RuleFault[] = [];
  if (values.POSTERN_REFRESH_GRACE >= values.POSTERN_ACCESS_TTL) {
    const message = "must be shorter than POSTERN_ACCESS_TTL";
    faults.push(fault("POSTERN_REFRESH_GRACE", message, "POSTERN_ACCESS_TTL"));
  }
  if (values.POSTERN_SESSION_IDLE_TTL > values.POSTERN_SESSION_TTL) {
    const message = "must not be longer than POSTERN_SESSION_TTL";
    faults.push(fault("POSTERN_SESSION_IDLE_TTL", message, "POSTERN_SESSION_TTL"));
  }
  if (values.POSTERN_KEY_PUBLISH_LEAD >= values.POSTERN_KEY_ROTATE_EVERY) {
    const message = "must be shorter than POSTERN_KEY_ROTATE_EVERY";
    faults.push(fault("POSTERN_KEY_PUBLISH_LEAD", message, "POSTERN_KEY_ROTATE_EVERY"));
  }
  return faults;
}

function bootstrapFaults(values: SettingValues): RuleFault[] {
  const email = "POSTERN_BOOTSTRAP_EMAIL";
  const password = "POSTERN_BOOTSTRAP_PASSWORD";
  if (values[email] === undefined && values[password] === undefined) return [];
  if (values[email] === undefined) return [fault(email, `set it too, or unset ${password}`, password)];
  if (values[password] === undefined) return [fault(password, `set it too, or unset ${email}`, email)];
  return passwordFaults(values[email], values[password], values.POSTERN_PASSWORD_MIN_LENGTH);
}

function passwordFaults(email: string, password: string, minLength: number): RuleFault[] {
  try {
    checkNewPassword(password, { minLength, isCommon: isCommonPassword, forbidden: [email] });
    return [];
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    const about = ["POSTERN_BOOTSTRAP_EMAIL", "POSTERN_PASSWORD_MIN_LENGTH"] as const;
    return [fault("POSTERN_BOOTSTRAP_PASSWORD", error.message, ...about)];
  }
}

/** The audience of Postern's own services must not be a default. */
function audienceFaults(values: SettingValues): RuleFault[] {
  const { POSTERN_AUDIENCE: audience, POSTERN_ISSUER: issuer } = values;
  if (issuer === undefined || audience !== `${issuer}/postern`) return [];
  return [fault("POSTERN_AUDIENCE", "is Postern's own audience, which is never a default", "POSTERN_ISSUER")];
}

function routeFaults({
  POSTERN_ROUTES: routes = [],
  POSTERN_AUDIENCE: audience,
}: SettingValues): RuleFault[] {
  const index = routes.findIndex((entry) => entry.auth !== "public" && entry.audiences === undefined);
  if (audience !== undefined || index === -1) return [];
  const message = `entry ${index + 1} has no audiences, and POSTERN_AUDIENCE is not set: write \`audiences\`, or set it`;
  return [fault("POSTERN_ROUTES", message, "POSTERN_AUDIENCE")];
}

/** A secret with two purposes: a person or service that has it for one could use it for the other. */
function reuseFaults(values: SettingValues): RuleFault[] {
  const { POSTERN_BOOTSTRAP_PASSWORD: bootstrap, POSTERN_DATABASE_URL: databaseUrl } = values;
  const redisPassword = values.POSTERN_REDIS_URL?.password;
  const secrets: readonly (readonly [SettingName, readonly string[]])[] = [
    [
      "POSTERN_MASTER_KEY",
      (values.POSTERN_MASTER_KEY ?? []).map((key) => digest(Buffer.from(key).toString("base64"))),
    ],
    ["POSTERN_SECRET_TOKENS", (values.POSTERN_SECRET_TOKENS ?? []).map(({ sha256 }) => hex(sha256))],
    ["POSTERN_BOOTSTRAP_PASSWORD", bootstrap === undefined ? [] : [digest(bootstrap)]],
    ["POSTERN_DATABASE_URL", databaseUrl === undefined ? [] : [digest(databasePassword(databaseUrl))]],
    ["POSTERN_REDIS_URL", redisPassword === undefined ? [] : [digest(redisPassword)]],
  ];
  const owners = new Map<string, SettingName>();
  const faults: RuleFault[] = [];
  for (const [setting, digests] of secrets) {
    for (const value of digests) {
      const owner = owners.get(value) ?? setting;
      if (owner !== setting)
        faults.push(fault(setting, `has a secret of ${owner} as well; make another one`, owner));
      owners.set(value, owner);
    }
  }
  return faults;
}

function digest(text: string): string {
  return hex(sha256Of(text));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
