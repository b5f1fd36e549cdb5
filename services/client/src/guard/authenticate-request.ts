import { PosternError } from "../core/postern-error.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";

/**
 * A header's value; or all of its values, as `request.headersDistinct.authorization` has them, for of two credentials
 * somebody on the way may have judged by the other one.
 */
export type Authorization = string | readonly string[] | null | undefined;

/** Credentials as RFC 6750 section 2.1 has them; the scheme in any case (RFC 9110 section 11.1). */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const otherScheme = /^(?!bearer\b)[\w!#$%&'*+.^`|~-]+(?: |$)/i;

/**
 * Who sends a request, by its `authorization` header and by nothing else: a token in a query or in a form is not
 * looked at.
 * @throws {PosternError} `ERR_CREDENTIAL_MISSING`, `ERR_TOKEN_MALFORMED`, and what {@link Verifier.verify} throws
 */
export async function authenticateRequest(
  verifier: Pick<Verifier, "verify">,
  authorization: Authorization,
): Promise<VerifiedToken> {
  return verifier.verify(parseBearer(authorization));
}

/**
 * As {@link authenticateRequest}; nobody where no credential came. One that is not accepted, or not understood, is
 * not taken for none.
 */
export async function authenticateOptional(
  verifier: Pick<Verifier, "verify">,
  authorization: Authorization,
): Promise<VerifiedToken | undefined> {
  return valuesOf(authorization).length === 0 ? undefined : authenticateRequest(verifier, authorization);
}

function valuesOf(authorization: Authorization): readonly string[] {
  // An empty header is one all the same.
  return typeof authorization === "string" ? [authorization] : (authorization ?? []);
}

function parseBearer(authorization: Authorization): string {
  const values = valuesOf(authorization);
  const [value] = values;
  if (value === undefined) {
    throw new PosternError(
      "ERR_CREDENTIAL_MISSING",
      "send an access token as `authorization: Bearer <token>`",
    );
  }
  if (values.length > 1) throw new PosternError("ERR_TOKEN_MALFORMED", "send one `authorization` header");
  const token = bearer.exec(value)?.[1];
  if (token !== undefined) return token;
  if (otherScheme.test(value)) {
    throw new PosternError("ERR_CREDENTIAL_MISSING", "the scheme of `authorization` must be `Bearer`");
  }
  throw new PosternError("ERR_TOKEN_MALFORMED", "`authorization` is not `Bearer <token>`");
}

/** Every `authorization` header of a request of Node: `headers` has the first one alone. */
export function authorizationOf({ rawHeaders }: { readonly rawHeaders: readonly string[] }): string[] {
  return rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "authorization",
  );
}
