import { PosternError } from "../core/postern-error.ts";
import type { VerifiedToken } from "../verifier/verifier.ts";

/** The token is valid, but lacks a required scope. */
export class ScopeError extends PosternError {
  /** The required scopes. */
  readonly scope: readonly string[];

  constructor(scope: readonly string[]) {
    super(
      "ERR_SCOPE_INSUFFICIENT",
      `the access token must allow ${scope.map((one) => `\`${one}\``).join(", ")}`,
    );
    this.scope = scope;
  }
}

/** @throws {PosternError} `ERR_CREDENTIAL_MISSING` if there is no caller */
export function demandCaller(caller: VerifiedToken | undefined): VerifiedToken {
  if (caller !== undefined) return caller;
  throw new PosternError("ERR_CREDENTIAL_MISSING", "the request has no authenticated caller");
}

/**
 * Checks that the caller's token has all of these scopes.
 *
 * @throws {PosternError} `ERR_SCOPE_INSUFFICIENT` if one is missing
 * @example
 * ```ts
 * import { demandScope, type VerifiedToken } from "@postern/client";
 *
 * export function deleteOrder(caller: VerifiedToken, id: string): string {
 *   demandScope(caller, "orders:write");
 *   return `deleted ${id}`;
 * }
 * ```
 */
export function demandScope(caller: Pick<VerifiedToken, "scope">, ...scope: readonly string[]): void {
  if (!scope.every((one) => caller.scope.includes(one))) throw new ScopeError(scope);
}

const scopeToken = /^[!#-[\]-~]+$/;

/** @throws {TypeError} if there is no scope, or one is not a scope token (RFC 6749 section 3.3) */
export function checkScopeNames(scope: readonly string[]): void {
  if (scope.length === 0 || !scope.every((one) => scopeToken.test(one))) {
    throw new TypeError("name at least one scope, without spaces or quotes");
  }
}
