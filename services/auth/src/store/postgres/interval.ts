/** A duration as Postgres reads an `interval`; every `intervalstyle` accepts this form. */
export function interval(ms: number): string {
  return `${ms} milliseconds`;
}
