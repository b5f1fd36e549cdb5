import { expect, test } from "vitest";
import { capTimeout, dropEndlessTimeout } from "./timeout.ts";

const grpc = { "content-type": "application/grpc+proto" };
const connect = { "content-type": "application/json" };

test.each<[string, Record<string, string>, number, string | null]>([
  ["no timeout by Connect", connect, 10_000, "10000"],
  ["a long timeout by Connect", { ...connect, "connect-timeout-ms": "9999999999" }, 10_000, "10000"],
  ["a short timeout by Connect", { ...connect, "connect-timeout-ms": "5" }, 5, "5"],
  ["a malformed timeout by Connect", { ...connect, "connect-timeout-ms": "5s" }, 10_000, "5s"],
  ["no timeout by gRPC", grpc, 10_000, "10000m"],
  ["the longest timeout by gRPC", { ...grpc, "grpc-timeout": "99999999H" }, 10_000, "10000m"],
  ["a short timeout by gRPC", { ...grpc, "grpc-timeout": "5000u" }, 5, "5000u"],
  ["a malformed timeout by gRPC", { ...grpc, "grpc-timeout": "5" }, 10_000, "5"],
])("L09: %s: the deadline, and the header that Connect reads", (_, headers, deadlineMs, sent) => {
  const header = new Headers(headers);
  expect(capTimeout(header)).toBe(deadlineMs);
  expect(header.get("connect-timeout-ms") ?? header.get("grpc-timeout")).toBe(sent);
});

test.each<[string, string | null]>([
  ["2147483647", "2147483647"],
  ["2147483648", null],
])("L09: a stream may ask for %s ms: more than a timer counts means no end", (asked, left) => {
  const header = new Headers({ ...connect, "connect-timeout-ms": asked });
  dropEndlessTimeout(header);
  expect(header.get("connect-timeout-ms")).toBe(left);
});
