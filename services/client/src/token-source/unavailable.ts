import { PosternError } from "../core/postern-error.ts";

/** No token can be obtained now. */
export class Unavailable extends PosternError {
  /** Minimum delay before a retry, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super("ERR_UNAVAILABLE", message, options);
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}
