import { describe, expect, test } from "vitest";
import type { AuditNote } from "../ports/audit-store.ts";
import { createRefusedLogins, type RefusedLogin } from "./refused-logins.ts";

const userId = "0188bac7-4afa-78aa-bc3b-bd1eef28d881";
const known: RefusedLogin = {
  ...{
    caller: "web",
    requestId: "r1",
    userId,
    account: "typed",
    clientId: "spa",
    clientAddress: "192.0.2.1",
  },
};
const unknown: RefusedLogin = { ...known, userId: undefined };

/** Keeps what is written; `fail` is thrown instead of writing where it is there. */
function bench() {
  const written: (readonly AuditNote[])[] = [];
  const state: { fail: Error | undefined; release: Promise<void> } = {
    fail: undefined,
    release: Promise.resolve(),
  };
  const refused = createRefusedLogins({
    audit: {
      async note(notes) {
        await state.release;
        if (state.fail !== undefined) throw state.fail;
        written.push(notes);
      },
    },
    mac: { sign: (text) => `mark-of-${text}-and-what-is-cut-off` },
  });
  return { written, state, refused };
}

describe("a refused login", () => {
  test("is noted with the user, and without what was typed", async () => {
    const { written, refused } = bench();
    await refused.note(known, "wrong_password");
    const { caller, requestId, clientId, clientAddress } = known;
    const detail = { reason: "wrong_password" };
    expect(written).toEqual([
      [{ event: "login_refused", caller, requestId, userId, clientId, clientAddress, detail }],
    ]);
  });

  test("under a name that nobody has bears the name's mark, cut short", async () => {
    const { written, refused } = bench();
    await refused.note(unknown, "unknown_user");
    expect(written[0]).toMatchObject([
      { userId: undefined, detail: { reason: "unknown_user", account: "mark-of-typed-an" } },
    ]);
  });

  test("shares a write with those that come while another one goes on", async () => {
    const { written, state, refused } = bench();
    const gate = Promise.withResolvers<void>();
    state.release = gate.promise;
    const first = refused.note(known, "wrong_password");
    const others = ["a", "b", "c"].map((requestId) =>
      refused.note({ ...known, requestId }, "wrong_password"),
    );
    gate.resolve();
    await Promise.all([first, ...others]);
    expect(written.map((notes) => notes.map(({ requestId }) => requestId).join(""))).toEqual(["r1abc"]);
    await Promise.all([refused.note(known, "disabled"), refused.note(known, "disabled")]);
    expect(written.slice(1).flat()).toHaveLength(2);
  });

  test("K03: is told of where it cannot be written", async () => {
    const { state, refused } = bench();
    state.fail = new Error("full");
    await expect(refused.note(known, "wrong_password")).rejects.toBe(state.fail);
    state.fail = undefined;
    await expect(refused.note(known, "wrong_password")).resolves.toBeUndefined();
  });
});

describe("those that were refused without being hashed", () => {
  test("are one row for each account, address, caller and client, with their number", async () => {
    const { written, refused } = bench();
    for (const login of [
      { ...known, requestId: "first" },
      { ...known, requestId: "second" },
      { ...known, clientAddress: undefined },
      { ...known, clientId: "other" },
      { ...known, caller: "other" },
      unknown,
      { ...unknown, account: "another" },
    ]) {
      refused.count(login, "account");
    }
    expect(written).toEqual([]);
    await refused.flush();
    const rows = written.flat();
    expect(rows.map(({ detail }) => detail["count"])).toEqual([2, 1, 1, 1, 1, 1]);
    expect(rows.every(({ detail }) => detail["reason"] === "rate_limited")).toBe(true);
    expect(rows[0]?.requestId).toBe("first");
    await refused.flush();
    expect(written.flat()).toHaveLength(6);
  });

  test.each([
    ["address", { userId: undefined, clientAddress: unknown.clientAddress }],
    ["total", { userId: undefined, clientAddress: undefined }],
  ] as const)(
    "names that a stranger makes up are one row where the budget of %s is spent",
    async (budget, of) => {
      const { written, refused } = bench();
      for (let index = 0; index < 500; index++) refused.count({ ...unknown, account: `${index}` }, budget);
      refused.count({ ...known, clientAddress: unknown.clientAddress }, budget);
      await refused.flush();
      expect(written.flat()).toHaveLength(1);
      expect(written.flat()[0]).toMatchObject({
        ...of,
        detail: { reason: "rate_limited", budget, count: 501 },
      });
      expect(written.flat()[0]?.detail).not.toHaveProperty("account");
    },
  );

  test("addresses that guess at one account are one row where its budget of all is spent", async () => {
    const { written, refused } = bench();
    for (let index = 0; index < 500; index++) {
      refused.count({ ...known, clientAddress: `192.0.2.${index}` }, "account_all");
    }
    await refused.flush();
    expect(written.flat()).toMatchObject([
      { userId: known.userId, clientAddress: undefined, detail: { budget: "account_all", count: 500 } },
    ]);
  });

  test("keep no more rows than a thousand; the rest is told as a number", async () => {
    const { written, refused } = bench();
    for (let index = 0; index < 1_200; index++) refused.count({ ...unknown, account: `${index}` }, "account");
    refused.count({ ...unknown, account: "0" }, "account");
    await refused.flush();
    const rows = written.flat();
    expect(rows).toHaveLength(1_001);
    expect(rows.at(-1)).toMatchObject({
      ...{ caller: "postern", userId: undefined, clientAddress: undefined },
      detail: { reason: "rate_limited", count: 200, others: true },
    });
    const total = rows.reduce((sum, { detail }) => sum + Number(detail["count"]), 0);
    expect(total).toBe(1_201);
    expect(Math.max(...written.map((notes) => notes.length))).toBeLessThanOrEqual(250);
  });

  test("K03: stay counted where they cannot be written, with those that come meanwhile", async () => {
    const { written, state, refused } = bench();
    state.fail = new Error("full");
    const gate = Promise.withResolvers<void>();
    state.release = gate.promise;
    for (let index = 0; index < 300; index++) refused.count({ ...unknown, account: `${index}` }, "account");
    const flushing = refused.flush();
    refused.count({ ...unknown, account: "0" }, "account");
    gate.resolve();
    await expect(flushing).rejects.toBe(state.fail);
    expect(written).toEqual([]);
    state.fail = undefined;
    await refused.flush();
    const rows = written.flat();
    expect(rows).toHaveLength(300);
    expect(rows.reduce((sum, { detail }) => sum + Number(detail["count"]), 0)).toBe(301);
  });
});
