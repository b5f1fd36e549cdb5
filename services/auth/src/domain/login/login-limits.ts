/** Maximum number of failed logins within a time span. */
export interface Limit {
  readonly count: number;
  readonly windowMs: number;
}

/** The limits of failed logins; undefined: switched off. */
export interface LoginLimits {
  /** Per account and address. */
  readonly account: Limit | undefined;
  /** Per account, over all addresses from which it is not known. */
  readonly accountAll: Limit | undefined;
  /** Per address, over all accounts. */
  readonly address: Limit | undefined;
  /** Over all accounts and addresses. Above it, unknown clients wait. */
  readonly total: Limit | undefined;
}
