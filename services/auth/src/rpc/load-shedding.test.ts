import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import type { NodeHandler } from "../lib/node-http.ts";
import { shedLoad } from "./load-shedding.ts";

afterEach(() => void vi.useRealTimers());

test.each(["http", "grpc"])(
  "a call that the %s listener has refused in the meantime is left alone",
  async (kind) => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const handled = Promise.withResolvers<void>();
    const handler: NodeHandler = (request, response) => {
      try {
        expect(shedLoad(request, response, "id")).toBe(true);
        response.writeHead(503);
        response.end();
        // The answer is not sent yet, so the response is not destroyed.
        vi.runAllTimers();
        handled.resolve();
      } catch (error) {
        handled.reject(error);
      }
    };
    const server = kind === "http" ? http.createServer(handler) : http2.createServer(handler);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    if (kind === "http") {
      const headers = { "content-type": "application/json" };
      http
        .request(url, { method: "POST", headers, agent: false })
        .on("response", (answer) => answer.resume())
        .end();
    } else {
      const session = http2.connect(url);
      session
        .request({ ":method": "POST", "content-type": "application/grpc" })
        .on("close", () => session.close())
        .resume()
        .end();
    }
    await handled.promise;
    server.close();
  },
);
