import { PosternError } from "../core/postern-error.ts";

/** No token could be had now. */
export class Unavailable extends PosternError {
  /** Before then it is of no use to ask again, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super("ERR_UNAVAILABLE", message, options);
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}
