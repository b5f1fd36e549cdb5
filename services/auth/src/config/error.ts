/** One fault of the configuration. */
export interface ConfigFault {
  /** The environment variable. */
  readonly setting: string;
  /** What is wrong and what to do. Never a value, which can be a secret, also in the wrong setting. */
  readonly message: string;
}

/** All faults of the configuration. The process ends with exit code 2. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(faults.map(({ setting, message }) => `${setting}: ${message}`).join("\n"));
    this.name = "ConfigError";
    this.faults = faults;
  }
}

/** Thrown by a setting's parser. The message says what to write instead, and never contains the value. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}
