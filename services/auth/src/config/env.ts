import { readFileSync } from "node:fs";
import { TextFileError, textOfFile } from "../lib/text-of-file.ts";
import type { ConfigFault } from "./error.ts";
import { nearestName } from "./nearest-name.ts";
import { isSettingName, laterSettings, type SettingName, settingNames } from "./settings.ts";

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The text of the settings that are set, and the faults of reading them. */
export interface RawSettings {
  readonly values: ReadonlyMap<SettingName, string>;
  readonly faults: readonly ConfigFault[];
  /** For stderr. */
  readonly warnings: readonly string[];
}

/** Variables that Kubernetes adds to every pod of a namespace for a Service named `postern` or `postern-…`. */
const kubernetesServiceVariable =
  /^POSTERN(_.+)?_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/** Whether Kubernetes may set the variable. No setting can have such a name. */
export function isKubernetesServiceVariable(name: string): boolean {
  return kubernetesServiceVariable.test(name);
}

/** The environment of this process. Only this function reads it. */
export function processEnv(): Env {
  return process.env;
}

/**
 * Reads the `POSTERN_*` variables, and the files that `POSTERN_*_FILE` name, without one trailing newline. A byte order mark
 * before a value is dropped in both forms, because the tool that sets the environment may have read it from a file.
 * Faults are returned, not thrown, so that they can be reported together with the faults of the values.
 */
export function readEnv(
  env: Env = processEnv(),
  readFile: (path: string) => Uint8Array = (path) => readFileSync(path),
): RawSettings {
  const values = new Map<SettingName, string>();
  const faults: ConfigFault[] = [];
  for (const setting of settingNames) {
    const given = readSetting(setting, env, readFile);
    if (given === undefined) continue;
    if (typeof given === "string") values.set(setting, given);
    else faults.push(given);
  }
  const unknown: ConfigFault[] = [];
  for (const name of Object.keys(env).toSorted()) {
    const base = name.replace(/_FILE$/, "");
    if (!name.startsWith("POSTERN_") || env[name] === undefined || isSettingName(base)) continue;
    if (isKubernetesServiceVariable(name)) continue;
    if (laterSettings.test(base)) {
      faults.push({ setting: name, message: "is not supported by this version; unset it" });
    } else {
      unknown.push({ setting: name, message: unknownMessage(base) });
    }
  }
  if (values.get("POSTERN_UNKNOWN_ENV") !== "warn")
    return { values, faults: [...faults, ...unknown], warnings: [] };
  return { values, faults, warnings: unknown.map(({ setting, message }) => `${setting}: ${message}`) };
}

function readSetting(
  setting: SettingName,
  env: Env,
  readFile: (path: string) => Uint8Array,
): string | ConfigFault | undefined {
  const value = env[setting];
  const path = env[`${setting}_FILE`];
  if (path === undefined) return value?.replace(/^\ufeff/, "");
  if (value !== undefined)
    return { setting, message: `is set, and so is ${setting}_FILE; unset one of them` };
  try {
    return textOfFile(readFile(path)).replace(/\r?\n$/, "");
  } catch (error) {
    if (error instanceof TextFileError)
      return { setting: `${setting}_FILE`, message: `the file ${error.message}` };
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    return { setting: `${setting}_FILE`, message: `the file cannot be read${code}; name one that can` };
  }
}

function unknownMessage(name: string): string {
  const nearest = nearestName(name, settingNames);
  return nearest === undefined
    ? "is not a setting; unset it, or set POSTERN_UNKNOWN_ENV=warn to only be warned"
    : `is not a setting; did you mean ${nearest}?`;
}
