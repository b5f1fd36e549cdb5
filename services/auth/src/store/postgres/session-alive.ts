/**
 * A session is alive if it was not ended and has not expired, its user is enabled, and no cutoff is above its `rev`.
 *
 * @param idle the parameter with the idle time
 * @returns a condition on `s`, the session, and `u`, its user
 */
export function aliveWhere(idle: `$${number}`): string {
  return `s.ended_at is null and u.disabled_at is null and s.rev >= postern.cutoff(u, s.client_id)
    and postern.now() < least(s.expires_at, s.last_used_at + ${idle}::interval)`;
}
