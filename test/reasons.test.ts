import { Code, ConnectError } from "@connectrpc/connect";
import {
  ErrorDetailSchema,
  ReasonSchema,
  Reason as WireReason,
} from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { describe, expect, test } from "vitest";
import { AuthError, type Reason, reasons } from "../services/auth/src/domain/errors.ts";
import { toConnectError } from "../services/auth/src/rpc/connect/errors.ts";

const names = Object.keys(reasons) as Reason[];

test("the reason table and the proto's enum have the same members", () => {
  const wire = ReasonSchema.values.map(({ name }) => name.replace(/^REASON_/, ""));
  expect(names.toSorted()).toEqual(wire.filter((name) => name !== "UNSPECIFIED").toSorted());
});

describe.each(names)("%s", (name) => {
  test("crosses the wire as itself, with the code of the table", () => {
    const error = toConnectError(new AuthError(name));
    const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
    expect(detail?.reason).toBe(WireReason[name]);
    expect(Code[error.code].replaceAll(/(?<!^)[A-Z]/g, "_$&").toLowerCase()).toBe(reasons[name].code);
  });

  test("has a retry delay if a retry may help, and only then", () => {
    const error = toConnectError(new AuthError(name));
    const [detail] = error.findDetails(ErrorDetailSchema);
    const helps = ["UNAVAILABLE", "OVERLOADED", "RATE_LIMITED"].includes(name);
    expect(detail?.retryAfter !== undefined).toBe(helps);
    expect(error.metadata.has("retry-after")).toBe(helps);
  });
});
