/** Where the processes of Redis run. It takes them with it when it is disposed of, or when our process ends. */
export interface RedisHost extends AsyncDisposable {
  /** Free ports of 127.0.0.1, as many as requested, for the servers and the tests. */
  readonly ports: readonly number[];
  /** The address that servers must listen on to be reached there. */
  readonly bind: string;
  /** The folder of the servers' files, as they see it. */
  readonly folder: string;
  /** Writes a file into `folder`; `path` begins there. */
  write(path: string, content: string): Promise<void>;
  /**
   * Runs a script of `sh`, with its positional parameters, until it and what it did not send to the background
   * end. Resolves to its stdout.
   * @throws if its exit code is not 0
   */
  run(script: string, ...parameters: string[]): Promise<string>;
}
