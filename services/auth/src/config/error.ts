/** One thing that is wrong with the configuration. */
export interface ConfigFault {
  /** The environment variable. */
  readonly setting: string;
  /** What is wrong and what to do. Never a value: it might be a secret, or one put in the wrong place. */
  readonly message: string;
}

/** Every fault of the configuration at once; the process ends with exit code 2. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(faults.map(({ setting, message }) => `${setting}: ${message}`).join("\n"));
    this.name = "ConfigError";
    this.faults = faults;
  }
}

/** Thrown by a setting's parser; the message says what to write instead and never holds the value. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}
