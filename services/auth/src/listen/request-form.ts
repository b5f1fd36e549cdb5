import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

/** RFC 3986 section 3.2.2, without percent-encoding, and a port. */
const authorityForm = /^(?:[\w.~!$&'()*+;=-]+|\[[\da-f:.]+\])(?::\d*)?$/i;
/** RFC 9112 section 3.2.2: scheme, authority and the rest. */
const absoluteForm = /^https?:\/\/([^/?]*)(.*)$/i;

/**
 * Brings an HTTP/1.1 request into the form that handlers read: the target begins with `/`, and the host of an absolute
 * target replaces the `Host` header (RFC 9112 section 3.2.2).
 * @returns the status of a refusal or of an immediate response; undefined if a handler is to process the request
 */
export function settleHttp1(request: IncomingMessage): 204 | 400 | 501 | undefined {
  const { headers, httpVersion, rawHeaders } = request;
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length;
  // Node keeps the first of several `Host` headers. A proxy may have used another one (section 3.2).
  if (hosts > 1 || (hosts === 0 && httpVersion !== "1.0")) return 400;
  if (headers.host !== undefined && headers.host !== "" && !authorityForm.test(headers.host)) return 400;
  const coding = headers["transfer-encoding"];
  // Sections 6.1 and 7: HTTP/1.0 proxies know no transfer coding, and Node would pass on the body without decoding it.
  if (coding !== undefined && httpVersion === "1.0") return 400;
  if (coding !== undefined && coding.toLowerCase() !== "chunked") return 501;
  const [, authority, rest = ""] = absoluteForm.exec(request.url ?? "") ?? [];
  if (authority !== undefined) {
    if (!authorityForm.test(authority)) return 400;
    headers.host = authority;
    request.url = rest.startsWith("/") ? rest : `/${rest}`;
  }
  return judgeTarget(request);
}

/**
 * Checks that an HTTP/2 request names exactly one authority (RFC 9113 section 8.3.1).
 * @returns the same as `settleHttp1`
 */
export function settleHttp2(request: Http2ServerRequest): 204 | 400 | undefined {
  const { ":authority": authority, host } = request.headers;
  const named = [authority, host].filter((one) => one !== undefined);
  if (!named.every((one) => authorityForm.test(one)) || new Set(named.map(normal)).size > 1) return 400;
  return judgeTarget(request);
}

/** Whether another server may see a different end of a refused request than Node does. Then the connection must be closed. */
export function framingMayDiffer({ headers }: IncomingMessage): boolean {
  return "transfer-encoding" in headers;
}

function judgeTarget({ method, url = "" }: Pick<IncomingMessage, "method" | "url">): 204 | 400 | undefined {
  // RFC 9110 section 9.3.7: a ping of the whole server.
  if (url === "*") return method === "OPTIONS" ? 204 : 400;
  return url.startsWith("/") && !url.includes("#") ? undefined : 400;
}

/** Both listeners use the scheme `http`, so the default port is 80. */
function normal(authority: string): string {
  return authority.toLowerCase().replace(/:(80)?$/, "");
}
