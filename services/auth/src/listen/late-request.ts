import { constants, type Http2ServerRequest } from "node:http2";

/** The longest that a request may take to arrive over HTTP/2. Over HTTP/1.1 Node limits it. */
const requestMs = 10_000;

/** Ends a stream whose request does not arrive completely. A client that pings would keep its connection forever. */
export function closeWhenLate(request: Http2ServerRequest): void {
  const { stream } = request;
  const cut = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), requestMs);
  for (const event of ["end", "close"]) request.once(event, () => clearTimeout(cut));
}
