import { once } from "node:events";
import http2 from "node:http2";
import { expect, test, vi } from "vitest";
import { listenGrpc } from "./listeners.ts";
import { createPublicCalls } from "./public-calls.ts";

test("a request that does not arrive completely over HTTP/2 is aborted after ten seconds", async () => {
  const listener = await listenGrpc(
    { host: "127.0.0.1", port: 0 },
    { maxConnections: 10, publicCalls: createPublicCalls(10) },
  );
  const arrived = Promise.withResolvers<void>();
  listener.handle(() => arrived.resolve());
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const session = http2.connect(listener.url);
  try {
    const stream = session.request({ ":method": "POST", ":path": "/any" });
    const closed = once(stream, "close");
    stream.write(Uint8Array.from([0, 0, 0, 0, 50, 1]));
    await arrived.promise;
    vi.advanceTimersByTime(9_999);
    expect(stream.closed).toBe(false);
    vi.advanceTimersByTime(1);
    await closed;
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
  } finally {
    vi.useRealTimers();
    session.destroy();
    listener.destroy();
  }
});
