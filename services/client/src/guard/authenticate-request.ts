import { PosternError } from "../core/postern-error.ts";
import type { VerifiedToken, Verifier } from "../verifier/verifier.ts";

/**
 * The value of the `authorization` header, or all of its values as in Node's `request.headersDistinct.authorization`.
 * Pass all values: a proxy may have checked another one than the first.
 */
export type Authorization = string | readonly string[] | null | undefined;

/** Credentials of RFC 6750 section 2.1. The scheme is case-insensitive (RFC 9110 section 11.1). */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const otherScheme = /^(?!bearer\b)[\w!#$%&'*+.^`|~-]+(?: |$)/i;

/**
 * Authenticates a request by its `authorization` header. A token in the query or in a form is ignored.
 *
 * @throws {PosternError} `ERR_CREDENTIAL_MISSING`, `ERR_TOKEN_MALFORMED`, and the errors of {@link Verifier.verify}
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { authenticateRequest, createVerifier, refusalOf } from "@postern/client";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * createServer(async (request, response) => {
 *   try {
 *     const caller = await authenticateRequest(verifier, request.headersDistinct["authorization"]);
 *     response.end(`Hello, ${caller.subject}`);
 *   } catch (error) {
 *     const refusal = refusalOf(error);
 *     response.writeHead(refusal?.status ?? 500, refusal?.headers);
 *     response.end(JSON.stringify(refusal?.body));
 *   }
 * });
 * ```
 */
export async function authenticateRequest(
  verifier: Pick<Verifier, "verify">,
  authorization: Authorization,
): Promise<VerifiedToken> {
  return verifier.verify(parseBearer(authorization));
}

/**
 * Authenticates a request like {@link authenticateRequest}, and returns `undefined` if it has no `authorization` header.
 * An invalid or unknown credential is an error.
 *
 * @throws {PosternError} as {@link authenticateRequest}
 * @example
 * ```ts
 * import type { IncomingMessage } from "node:http";
 * import { authenticateOptional, createVerifier } from "@postern/client";
 *
 * const verifier = createVerifier({
 *   issuer: "https://auth.example.com",
 *   audience: "orders",
 *   revocations: { baseUrl: "https://auth.example.com", token: "ptn_st_…" },
 * });
 * export async function greet(request: IncomingMessage): Promise<string> {
 *   const caller = await authenticateOptional(verifier, request.headersDistinct["authorization"]);
 *   return `Hello, ${caller?.subject ?? "guest"}`;
 * }
 * ```
 */
export async function authenticateOptional(
  verifier: Pick<Verifier, "verify">,
  authorization: Authorization,
): Promise<VerifiedToken | undefined> {
  return valuesOf(authorization).length === 0 ? undefined : authenticateRequest(verifier, authorization);
}

function valuesOf(authorization: Authorization): readonly string[] {
  // An empty header counts as a credential.
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

/** All `authorization` headers of a Node request. `request.headers` has only the first one. */
export function authorizationOf({ rawHeaders }: { readonly rawHeaders: readonly string[] }): string[] {
  return rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "authorization",
  );
}
