import { PosternError } from "../core/postern-error.ts";
import type { VerifiedToken } from "../verifier/verifier.ts";

/** A good token that does not allow what is asked for. */
export class ScopeError extends PosternError {
  /** What it would have to allow. */
  readonly scope: readonly string[];

  constructor(scope: readonly string[]) {
    super(
      "ERR_SCOPE_INSUFFICIENT",
      `the access token must allow ${scope.map((one) => `\`${one}\``).join(", ")}`,
    );
    this.scope = scope;
  }
}

/** @throws {PosternError} `ERR_CREDENTIAL_MISSING` where nobody was authenticated, for whatever reason */
export function demandCaller(caller: VerifiedToken | undefined): VerifiedToken {
  if (caller !== undefined) return caller;
  throw new PosternError("ERR_CREDENTIAL_MISSING", "nobody was authenticated");
}

/** @throws {PosternError} `ERR_SCOPE_INSUFFICIENT` unless the caller's token allows every one of these scopes */
export function demandScope(caller: Pick<VerifiedToken, "scope">, ...scope: readonly string[]): void {
  if (!scope.every((one) => caller.scope.includes(one))) throw new ScopeError(scope);
}

const scopeToken = /^[!#-[\]-~]+$/;

/** @throws {TypeError} unless they are scope tokens (RFC 6749 section 3.3), and at least one */
export function checkScopeNames(scope: readonly string[]): void {
  if (scope.length === 0 || !scope.every((one) => scopeToken.test(one))) {
    throw new TypeError("name at least one scope, without spaces or quotes");
  }
}
