/** What a caller may do. `admin` includes all the others. */
export const permissions = [
  "login",
  "introspect",
  "introspect:any",
  "revoke",
  "revoke:any",
  "sessions",
  "sessions:any",
  "watch",
  "users",
  "admin",
] as const;

export type Permission = (typeof permissions)[number];
