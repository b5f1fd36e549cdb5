import { headerValues } from "../call/arrival.ts";
import type { ProxiedRequest, Verdict } from "../domain/access/authorize-request.ts";
import {
  describeIdentity,
  identityHeaders,
  looksLikeIdentity,
} from "../domain/access/proxy/identity-headers.ts";
import { AuthError } from "../domain/errors.ts";
import { refuse } from "../lib/refuse.ts";
import type { Endpoint } from "./endpoint.ts";

/** Decides whether the request that a proxy holds may pass. */
export type Authorize = (request: ProxiedRequest) => Promise<Verdict>;

/**
 * `/forward-auth`: whether the request that a proxy holds may pass. The answer is 200 with every identity header, an
 * empty one if there is no value, so that a proxy which copies them overwrites what the client sent; or 400, 401 or 403
 * if it may not pass. Proxies use any method.
 */
export function forwardAuthEndpoint(authorize: Authorize): Endpoint {
  return {
    operation: "forward-auth",
    paths: new Set(["/forward-auth"]),
    methods: "any",
    async serve(_call, request, response) {
      response.setHeader("cache-control", "no-store");
      const verdict = await authorize(readProxied(request.rawHeaders));
      // The listener may have refused the call in the meantime.
      if (response.headersSent) throw new AuthError("OVERLOADED");
      if (verdict.kind === "pass") {
        for (const [name, value] of Object.entries(describeIdentity(verdict.claims))) {
          response.setHeader(name, value);
        }
        response.end();
        return;
      }
      if (verdict.challenge !== undefined) response.setHeader("www-authenticate", verdict.challenge);
      refuse(response, verdict.status);
    },
  };
}

/**
 * The request as the proxy describes it: by `x-forwarded-method` and `-uri` (Traefik, Caddy) or by `x-original-method`
 * and `-uri` (nginx).
 * @throws {AuthError} `INVALID_REQUEST` unless it is described completely and only once: a client may send either
 * pair, and a proxy that sets one may forward the other. Also if it has a header that the application may read as an
 * identity header and that the proxy does not overwrite.
 */
function readProxied(rawHeaders: readonly string[]): ProxiedRequest {
  const valuesOf = (name: string) => headerValues(rawHeaders, name);
  const methods = valuesOf("x-forwarded-method");
  const targets = valuesOf("x-forwarded-uri");
  const originalMethods = valuesOf("x-original-method");
  const originalTargets = valuesOf("x-original-uri");
  const hosts = valuesOf("x-forwarded-host");
  const repeats = [methods, targets, originalMethods, originalTargets, hosts].some(
    ({ length }) => length > 1,
  );
  const halves = methods.length !== targets.length || originalMethods.length !== originalTargets.length;
  const [method, ...otherMethods] = new Set([...methods, ...originalMethods]);
  const [target, ...otherTargets] = new Set([...targets, ...originalTargets]);
  const disagrees = otherMethods.length + otherTargets.length > 0;
  if (repeats || halves || disagrees || method === undefined || target === undefined) {
    throw new AuthError("INVALID_REQUEST", {
      message:
        "the proxy must send `x-forwarded-method` and `x-forwarded-uri`, or `x-original-method` and `x-original-uri`, once each",
    });
  }
  if (rawHeaders.some((name, index) => index % 2 === 0 && isForgedIdentity(name))) {
    throw new AuthError("INVALID_REQUEST", {
      message: "the request has a header that an application may read as an identity header",
    });
  }
  return { method, target, host: hosts[0] ?? "", authorization: valuesOf("authorization") };
}

/** A proxy overwrites the five identity headers by their names. It does not overwrite other spellings of them. */
function isForgedIdentity(name: string): boolean {
  return looksLikeIdentity(name) && !identityHeaders.some((header) => header === name.toLowerCase());
}
