import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

/** RFC 3986 section 3.2.2, without percent-encoding, and a port. */
const authorityForm = /^(?:[\w.~!$&'()*+;=-]+|\[[\da-f:.]+\])(?::\d*)?$/i;
/** RFC 9112 section 3.2.2: scheme, authority and the rest. */
const absoluteForm = /^https?:\/\/([^/?]*)(.*)$/i;

/**
 * Puts a request by HTTP/1.1 into the form that handlers read: a target that begins with `/`, and the host of an
 * absolute target in place of the `Host` header (RFC 9112 section 3.2.2).
 * @returns the status to answer with instead of handling it; undefined: it may be handled
 */
export function settleHttp1(request: IncomingMessage): 204 | 400 | 501 | undefined {
  const { headers, httpVersion, rawHeaders } = request;
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length;
  // Node silently keeps the first of several. A proxy may have decided by another one (section 3.2).
  if (hosts > 1 || (hosts === 0 && httpVersion !== "1.0")) return 400;
  if (headers.host !== undefined && headers.host !== "" && !authorityForm.test(headers.host)) return 400;
  const coding = headers["transfer-encoding"];
  // Sections 6.1 and 7: a proxy of HTTP/1.0 knows none of them, and Node would hand a body on as it is coded.
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
 * Whether a request by HTTP/2 names one authority (RFC 9113 section 8.3.1).
 * @returns as `settleHttp1`
 */
export function settleHttp2(request: Http2ServerRequest): 204 | 400 | undefined {
  const { ":authority": authority, host } = request.headers;
  const named = [authority, host].filter((one) => one !== undefined);
  if (!named.every((one) => authorityForm.test(one)) || new Set(named.map(normal)).size > 1) return 400;
  return judgeTarget(request);
}

/** Whether another server may see another end of a refused request than Node does: nothing may follow on its connection. */
export function framingMayDiffer({ headers }: IncomingMessage): boolean {
  return "transfer-encoding" in headers;
}

function judgeTarget({ method, url = "" }: Pick<IncomingMessage, "method" | "url">): 204 | 400 | undefined {
  // RFC 9110 section 9.3.7: a ping of the server as a whole.
  if (url === "*") return method === "OPTIONS" ? 204 : 400;
  return url.startsWith("/") && !url.includes("#") ? undefined : 400;
}

/** Both listeners speak `http`, whose port is 80 where none is named. */
function normal(authority: string): string {
  return authority.toLowerCase().replace(/:(80)?$/, "");
}
