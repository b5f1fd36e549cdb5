import { describe, expect, test } from "vitest";
import type { Caller } from "../domain/caller/caller.ts";
import type { Permission } from "../domain/caller/permission.ts";
import { AuthError } from "../domain/errors.ts";
import { createCalls } from "./calls.ts";
import type { FinishedCall } from "./finished-call.ts";

const listUsers = "postern.admin.v1.AdminService/ListUsers";
const signal = new AbortController().signal;

/** A credential is `Bearer <permission>`. */
function open(operation: string, authorization: readonly string[] = []) {
  const finished: FinishedCall[] = [];
  const accepted: object[] = [];
  const connection = {};
  const calls = createCalls({
    async authenticate(credential) {
      const permission = credential?.slice("Bearer ".length);
      if (permission === undefined) throw new AuthError("INVALID_CLIENT");
      return { name: permission, permissions: new Set([permission as Permission]) } as unknown as Caller;
    },
    isOverloaded: () => false,
    onAccepted: (one) => accepted.push(one),
    onFinished: (call) => finished.push(call),
    onShed() {},
  });
  const call = calls.open(operation, { id: "request", connection, authorization });
  return { call, finished, accepted, connection };
}

describe("admit", () => {
  test("a caller with the permission is admitted, and the operation gets the caller", async () => {
    const { call, accepted, connection } = open(listUsers, ["Bearer users"]);
    await call.admit();
    const started = call.start(signal);
    expect(started).toMatchObject({ id: "request", operation: listUsers, caller: { name: "users" } });
    expect(accepted).toEqual([connection]);
  });

  test.each([
    ["no credential", [], "INVALID_CLIENT"],
    ["another permission", ["Bearer login"], "NOT_PERMITTED"],
    ["two credentials", ["Bearer users", "Bearer users"], "INVALID_CLIENT"],
  ])("a caller with %s is refused, and the operation cannot start", async (_, authorization, reason) => {
    const { call, accepted } = open(listUsers, authorization);
    await expect(call.admit()).rejects.toMatchObject({ reason });
    expect(() => call.start(signal)).toThrow("without an admitted caller");
    expect(accepted).toEqual([]);
  });

  test("an operation cannot start before its caller is admitted", () => {
    expect(() => open("jwks").call.start(signal)).toThrow("without an admitted caller");
  });

  test("an operation without a row is closed to every caller", async () => {
    await expect(open("new-endpoint", ["Bearer admin"]).call.admit()).rejects.toMatchObject({
      reason: "NOT_PERMITTED",
    });
  });

  test("a public operation has no caller, and reads no credential", async () => {
    const { call, accepted } = open("forward-auth", ["Bearer users"]);
    await call.admit();
    expect(call.start(signal).caller).toBeUndefined();
    expect(accepted).toEqual([]);
  });
});

describe("finish", () => {
  test.each<[string, unknown, object]>([
    ["success", undefined, { outcome: "ok", isFault: false }],
    ["a refusal", new AuthError("NOT_FOUND"), { outcome: "NOT_FOUND", isFault: false }],
    ["an unexpected error", new TypeError("inside"), { outcome: "INTERNAL", isFault: true }],
  ])("reports %s", (_, error, outcome) => {
    const { call, finished } = open("jwks");
    call.finish(error);
    expect(finished).toEqual([
      { operation: "jwks", id: "request", error, durationMs: expect.any(Number), ...outcome },
    ]);
  });

  test("reports a call once: the first report counts", () => {
    const { call, finished } = open("jwks");
    call.finish(new AuthError("NOT_FOUND"));
    call.finish();
    expect(finished.map(({ outcome }) => outcome)).toEqual(["NOT_FOUND"]);
  });
});
