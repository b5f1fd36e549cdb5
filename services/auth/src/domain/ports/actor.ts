/** Who does it, for the audit. */
export interface Actor {
  readonly caller: string;
  readonly requestId: string;
}
