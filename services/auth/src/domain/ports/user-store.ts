import type { Actor } from "./actor.ts";
import type { UserId, Uuid } from "./ids.ts";

export interface User {
  readonly id: UserId;
  readonly email: string;
  readonly username: string | undefined;
  readonly roles: readonly string[];
  readonly disabled: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly lastLoginAt: Date | undefined;
  readonly loginCount: number;
}

export interface NewUser {
  readonly id: UserId;
  readonly email: string;
  /** The folded address; unique. */
  readonly emailKey: string;
  readonly username: string | undefined;
  /** The folded name; unique. */
  readonly usernameKey: string | undefined;
  readonly roles: readonly string[];
  readonly passwordHash: string | undefined;
}

/** An ID, or a folded address or name. */
export type UserKey =
  | { readonly id: UserId }
  | { readonly emailKey: string }
  | { readonly usernameKey: string };

/** What a login is checked against. Read in one snapshot, so that a later change is detected. */
export interface LoginSnapshot {
  readonly userId: UserId;
  readonly passwordHash: string | undefined;
  readonly passwordVersion: number;
  readonly disabled: boolean;
  /** The number of the revocation log's last entry. */
  readonly rev: number;
  /** Whether the user has logged in from the given address within the last 90 days. */
  readonly knowsAddress: boolean;
  /** The database's time. */
  readonly now: Date;
  /** The version of the keys at that time (`KeyList.version`). */
  readonly keysVersion: Uuid;
}

export type ChangeUserOutcome =
  | { readonly kind: "changed"; readonly user: User }
  | { readonly kind: "unknown" }
  /** The user is an administrator and `excludeAdmins` was set. */
  | { readonly kind: "administrator" };

export interface ChangeOptions {
  readonly actor: Actor;
  /** Does not change administrators. Decided on the locked row. */
  readonly excludeAdmins: boolean;
}

/** Users and their credentials. Each method throws AuthError `UNAVAILABLE` if the store is down. */
export interface UserStore {
  create(
    user: NewUser,
    actor: Actor,
  ): Promise<
    | { readonly kind: "created"; readonly user: User }
    | { readonly kind: "taken"; readonly field: "email" | "username" }
  >;
  find(key: UserKey): Promise<User | undefined>;
  /** In the order of their IDs. `prefix` is folded, and matches addresses and names. */
  list(page: { after: UserId | undefined; limit: number; prefix: string | undefined }): Promise<User[]>;
  /**
   * By a folded address or name.
   * @param address the address of the login, folded by `addressKey`
   */
  readForLogin(key: UserKey, address?: string): Promise<LoginSnapshot | undefined>;
  /** Disabling ends all of the user's sessions in the same transaction. */
  setDisabled(id: UserId, disabled: boolean, options: ChangeOptions): Promise<ChangeUserOutcome>;
  /** Ends all of the user's sessions in the same transaction. */
  setPassword(id: UserId, passwordHash: string, options: ChangeOptions): Promise<ChangeUserOutcome>;
  setRoles(id: UserId, roles: readonly string[], options: ChangeOptions): Promise<ChangeUserOutcome>;
  /** Adds the user only if there is no administrator yet. If two servers try, one succeeds. */
  createFirstAdmin(user: NewUser, actor: Actor): Promise<{ readonly kind: "created" | "exists" | "taken" }>;
}
