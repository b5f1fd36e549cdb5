/** Every event of the audit. Its documentation explains each. Names never change. */
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

/** Why a login was refused: `reason` in the event's detail. */
export const refusalReasons = [
  "unknown_user",
  "wrong_password",
  "no_password",
  "disabled",
  /** The password was right, but the password or the user was changed during the check. */
  "stale",
  /** The password was right, but the user, the client or everything was revoked during the check. */
  "revoked",
  "rate_limited",
] as const;

export type RefusalReason = (typeof refusalReasons)[number];
