import { PosternError } from "../errors.ts";
import type { Permission } from "./permission.ts";

/** The most a caller may ask for; `*` as a member lifts the limit. */
export type Allowance = ReadonlySet<string>;

/** Whoever calls Postern: a service with a secret token, or an administrator with an access token. */
export interface Caller {
  /** Its name: a session belongs to the caller that opened it. */
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
  readonly scopes: Allowance;
  readonly audiences: Allowance;
  readonly clients: Allowance;
  /** Whether a `client_address` that it names is believed. */
  readonly trustedAddress: boolean;
}

export function permits(caller: Caller, permission: Permission): boolean {
  return caller.permissions.has(permission) || caller.permissions.has("admin");
}

/** @throws {PosternError} `NOT_PERMITTED`, naming the permission that is missing */
export function demand(caller: Caller, permission: Permission): void {
  if (!permits(caller, permission)) {
    throw new PosternError("NOT_PERMITTED", { message: `the caller lacks the permission \`${permission}\`` });
  }
}

export function allows(allowance: Allowance, value: string): boolean {
  return allowance.has(value) || allowance.has("*");
}

/** The client ids a caller's limited permissions reach; undefined: all of them, by `*`. */
export function ownClients(caller: Caller): ReadonlySet<string> | undefined {
  return caller.clients.has("*") ? undefined : caller.clients;
}
