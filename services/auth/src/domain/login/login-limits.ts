/** How many failed logins are borne within a span. */
export interface Limit {
  readonly count: number;
  readonly windowMs: number;
}

/** The budgets of failed logins; undefined: switched off. */
export interface LoginLimits {
  /** Per account and address. */
  readonly account: Limit | undefined;
  /** Per account over all addresses that it is not known from. */
  readonly accountAll: Limit | undefined;
  /** Per address, over all accounts. */
  readonly address: Limit | undefined;
  /** Over all; above it, whoever is unknown waits. */
  readonly total: Limit | undefined;
}
