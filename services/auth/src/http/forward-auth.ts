import type { IncomingMessage, ServerResponse } from "node:http";
import type { ProxiedRequest, Verdict } from "../domain/access/authorize-request.ts";
import {
  describeIdentity,
  identityHeaders,
  looksLikeIdentity,
} from "../domain/access/proxy/identity-headers.ts";
import { PosternError } from "../domain/errors.ts";
import { withDeadline } from "../lib/deadline.ts";
import { refuse } from "../lib/refuse.ts";

export interface ForwardAuthDeps {
  readonly authorize: (request: ProxiedRequest) => Promise<Verdict>;
  /** Told of a fault of ours. */
  readonly onFault: (error: unknown) => void;
}

const patienceMs = 10_000;

/**
 * `/forward-auth`: whether the request that a proxy holds may pass. 200 with every identity header, an empty one where
 * there is nothing to tell, so that a proxy which copies them overwrites what the client has sent; 400, 401 or 403 where
 * it may not pass, 503 where that cannot be known. Nothing where the listener has refused the call in the meantime.
 */
export async function serveForwardAuth(
  deps: ForwardAuthDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader("cache-control", "no-store");
  try {
    const proxied = readProxied(request.rawHeaders);
    const verdict =
      proxied === undefined
        ? ({ kind: "refuse", status: 400, challenge: undefined } as const)
        : await withDeadline(performance.now() + patienceMs, () => deps.authorize(proxied));
    if (response.headersSent) return;
    if (verdict.kind === "pass") {
      for (const [name, value] of Object.entries(describeIdentity(verdict.claims))) {
        response.setHeader(name, value);
      }
      response.end();
      return;
    }
    if (verdict.challenge !== undefined) response.setHeader("www-authenticate", verdict.challenge);
    refuse(response, verdict.status);
  } catch (error) {
    const isLost = error instanceof PosternError && error.reason === "UNAVAILABLE";
    if (!isLost) deps.onFault(error);
    if (response.headersSent) return;
    refuse(response, isLost ? 503 : 500);
  }
}

/**
 * The request as the proxy describes it: by `x-forwarded-method` and `-uri` (Traefik, Caddy) or by `x-original-method`
 * and `-uri` (nginx). Undefined where it is not described once and wholly: a client may send either, and a proxy that
 * sets the one may pass the other on. Also undefined if it has a header that the application may read as an
 * identity header and that the proxy does not overwrite.
 */
function readProxied(rawHeaders: readonly string[]): ProxiedRequest | undefined {
  if (rawHeaders.some((name, index) => index % 2 === 0 && isForgedIdentity(name))) return undefined;
  const valuesOf = (name: string) =>
    rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
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
  if (repeats || halves || disagrees || method === undefined || target === undefined) return undefined;
  return { method, target, host: hosts[0] ?? "", authorization: valuesOf("authorization") };
}

/** A proxy overwrites the five identity headers by their names. It does not overwrite other spellings of them. */
function isForgedIdentity(name: string): boolean {
  return looksLikeIdentity(name) && !identityHeaders.some((header) => header === name.toLowerCase());
}
