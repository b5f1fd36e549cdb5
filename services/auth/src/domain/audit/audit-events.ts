/** Every event that the audit may hold; what each means stands in docs/reference/audit.md. Names are never changed. */
export const auditEvents = [
  "login",
  "login_refused",
  "refresh_reuse",
  "refresh_foreign",
  "refresh_generation_ahead",
  "session_ended",
  "session_revoked",
  "token_revoked",
  "user_revoked",
  "client_revoked",
  "everything_revoked",
  "user_created",
  "user_disabled",
  "user_enabled",
  "password_set",
  "roles_set",
  "key_prepared",
  "key_activated",
  "key_tainted",
  "key_removed",
  "key_resealed",
  "log_rewound",
  "recovered",
] as const;

/** Why a login was refused, as its event's detail says. */
export const refusalReasons = [
  "unknown_user",
  "wrong_password",
  "no_password",
  "disabled",
  /** A right password: it, or the user, was changed while it was checked. */
  "stale",
  /** A right password: the user, the client or everything was revoked while it was checked. */
  "revoked",
  "rate_limited",
] as const;

export type RefusalReason = (typeof refusalReasons)[number];
