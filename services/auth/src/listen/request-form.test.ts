import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { settleHttp1 } from "./request-form.ts";

test.each([
  ["http://b:81/x?y=http://z/", "b:81", "/x?y=http://z/"],
  ["HTTPS://[::1]", "[::1]", "/"],
  ["http://b?x", "b", "/?x"],
  ["/x?y", "a", "/x?y"],
  ["//b/x", "a", "//b/x"],
])("the target %s gets the host %s and the path %s", (url, host, path) => {
  const request = {
    url,
    method: "GET",
    httpVersion: "1.1",
    rawHeaders: ["Host", "a"],
    headers: { host: "a" },
  };
  expect(settleHttp1(request as unknown as IncomingMessage)).toBeUndefined();
  expect([request.headers.host, request.url]).toEqual([host, path]);
});
