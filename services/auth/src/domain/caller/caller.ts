import { AuthError } from "../errors.ts";
import type { Permission } from "./permission.ts";

/** What a caller may request. `*` allows everything. */
export type Allowance = ReadonlySet<string>;

/** A caller of Postern: a service with a secret token, or an administrator with an access token. */
export interface Caller {
  /** The caller's name. A session belongs to the caller that opened it. */
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
  readonly scopes: Allowance;
  readonly audiences: Allowance;
  readonly clients: Allowance;
  /** Whether Postern uses the `client_address` that the caller reports. */
  readonly trustedAddress: boolean;
}

export function permits(caller: Caller, permission: Permission): boolean {
  return caller.permissions.has(permission) || caller.permissions.has("admin");
}

/** @throws {AuthError} `NOT_PERMITTED`, naming the permission that is missing */
export function demand(caller: Caller, permission: Permission): void {
  if (!permits(caller, permission)) {
    throw new AuthError("NOT_PERMITTED", { message: `the caller lacks the permission \`${permission}\`` });
  }
}

export function allows(allowance: Allowance, value: string): boolean {
  return allowance.has(value) || allowance.has("*");
}

/** The clients that the caller's limited permissions apply to; undefined: all of them. */
export function ownClients(caller: Caller): ReadonlySet<string> | undefined {
  return caller.clients.has("*") ? undefined : caller.clients;
}
