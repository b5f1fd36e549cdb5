import { describe, expect, test } from "vitest";
import type { AuditRecord } from "../ports/audit-store.ts";
import { createFailedLogins, type FailedLogin } from "./failed-logins.ts";

const userId = "0188bac7-4afa-78aa-bc3b-bd1eef28d881";
const known: FailedLogin = {
  caller: "web",
  requestId: "r1",
  userId,
  account: "typed",
  clientId: "spa",
  clientAddress: "192.0.2.1",
};
const unknown: FailedLogin = { ...known, userId: undefined };

/** Keeps what is written; `fail` is thrown instead of writing where it is there. */
function bench() {
  const written: (readonly AuditRecord[])[] = [];
  const state: { fail: Error | undefined; release: Promise<void> } = {
    fail: undefined,
    release: Promise.resolve(),
  };
  const failed = createFailedLogins({
    audit: {
      async record(records) {
        await state.release;
        if (state.fail !== undefined) throw state.fail;
        written.push(records);
      },
    },
    mac: { sign: (text) => `mark-of-${text}-and-what-is-cut-off` },
  });
  return { written, state, failed };
}

describe("a failed login", () => {
  test("is recorded with the user, and without the text of the request", async () => {
    const { written, failed } = bench();
    await failed.record(known, "wrong_password");
    const { caller, requestId, clientId, clientAddress } = known;
    const detail = { reason: "wrong_password" };
    expect(written).toEqual([
      [{ event: "login_refused", caller, requestId, userId, clientId, clientAddress, detail }],
    ]);
  });

  test("records a truncated pseudonym for an unknown user name", async () => {
    const { written, failed } = bench();
    await failed.record(unknown, "unknown_user");
    expect(written[0]).toMatchObject([
      { userId: undefined, detail: { reason: "unknown_user", account: "mark-of-typed-an" } },
    ]);
  });

  test("shares a write with others that arrive during another write", async () => {
    const { written, state, failed } = bench();
    const gate = Promise.withResolvers<void>();
    state.release = gate.promise;
    const first = failed.record(known, "wrong_password");
    const others = ["a", "b", "c"].map((requestId) =>
      failed.record({ ...known, requestId }, "wrong_password"),
    );
    gate.resolve();
    await Promise.all([first, ...others]);
    expect(written.map((records) => records.map(({ requestId }) => requestId).join(""))).toEqual(["r1abc"]);
    await Promise.all([failed.record(known, "disabled"), failed.record(known, "disabled")]);
    expect(written.slice(1).flat()).toHaveLength(2);
  });

  test("K03: rejects if it cannot be written", async () => {
    const { state, failed } = bench();
    state.fail = new Error("full");
    await expect(failed.record(known, "wrong_password")).rejects.toBe(state.fail);
    state.fail = undefined;
    await expect(failed.record(known, "wrong_password")).resolves.toBeUndefined();
  });
});

describe("logins that were refused before the hash", () => {
  test("are one row for each account, address, caller and client, with their number", async () => {
    const { written, failed } = bench();
    for (const login of [
      { ...known, requestId: "first" },
      { ...known, requestId: "second" },
      { ...known, clientAddress: undefined },
      { ...known, clientId: "other" },
      { ...known, caller: "other" },
      unknown,
      { ...unknown, account: "another" },
    ]) {
      failed.count(login, "account");
    }
    expect(written).toEqual([]);
    await failed.flush();
    const rows = written.flat();
    expect(rows.map(({ detail }) => detail["count"])).toEqual([2, 1, 1, 1, 1, 1]);
    expect(rows.every(({ detail }) => detail["reason"] === "rate_limited")).toBe(true);
    expect(rows[0]?.requestId).toBe("first");
    await failed.flush();
    expect(written.flat()).toHaveLength(6);
  });

  test.each([
    ["address", { userId: undefined, clientAddress: unknown.clientAddress }],
    ["total", { userId: undefined, clientAddress: undefined }],
  ] as const)("with made-up names are one row if the budget of %s is used up", async (budget, of) => {
    const { written, failed } = bench();
    for (let index = 0; index < 500; index++) failed.count({ ...unknown, account: `${index}` }, budget);
    failed.count({ ...known, clientAddress: unknown.clientAddress }, budget);
    await failed.flush();
    expect(written.flat()).toHaveLength(1);
    expect(written.flat()[0]).toMatchObject({
      ...of,
      detail: { reason: "rate_limited", budget, count: 501 },
    });
    expect(written.flat()[0]?.detail).not.toHaveProperty("account");
  });

  test("from many addresses at one account are one row if its budget over all addresses is used up", async () => {
    const { written, failed } = bench();
    for (let index = 0; index < 500; index++) {
      failed.count({ ...known, clientAddress: `192.0.2.${index}` }, "account_all");
    }
    await failed.flush();
    expect(written.flat()).toMatchObject([
      { userId: known.userId, clientAddress: undefined, detail: { budget: "account_all", count: 500 } },
    ]);
  });

  test("are at most a thousand rows; the rest is recorded as a number", async () => {
    const { written, failed } = bench();
    for (let index = 0; index < 1_200; index++) failed.count({ ...unknown, account: `${index}` }, "account");
    failed.count({ ...unknown, account: "0" }, "account");
    await failed.flush();
    const rows = written.flat();
    expect(rows).toHaveLength(1_001);
    expect(rows.at(-1)).toMatchObject({
      caller: "postern",
      userId: undefined,
      clientAddress: undefined,
      detail: { reason: "rate_limited", count: 200, others: true },
    });
    const total = rows.reduce((sum, { detail }) => sum + Number(detail["count"]), 0);
    expect(total).toBe(1_201);
    expect(Math.max(...written.map((records) => records.length))).toBeLessThanOrEqual(250);
  });

  test("K03: stay counted if they cannot be written, with those that arrive in the meantime", async () => {
    const { written, state, failed } = bench();
    state.fail = new Error("full");
    const gate = Promise.withResolvers<void>();
    state.release = gate.promise;
    for (let index = 0; index < 300; index++) failed.count({ ...unknown, account: `${index}` }, "account");
    const flushing = failed.flush();
    failed.count({ ...unknown, account: "0" }, "account");
    gate.resolve();
    await expect(flushing).rejects.toBe(state.fail);
    expect(written).toEqual([]);
    state.fail = undefined;
    await failed.flush();
    const rows = written.flat();
    expect(rows).toHaveLength(300);
    expect(rows.reduce((sum, { detail }) => sum + Number(detail["count"]), 0)).toBe(301);
  });
});
