import { expect, test, vi } from "vitest";
import type { Caller } from "../caller/caller.ts";
import type { User } from "../ports/user-store.ts";
import { listUsers } from "./list-users.ts";

const none = new Set<string>();
const limits = { scopes: none, audiences: none, clients: none, trustedAddress: false };
const caller: Caller = { name: "console", permissions: new Set(["users"]), ...limits };

function userWith(id: string): User {
  const at = new Date(0);
  const times = { createdAt: at, updatedAt: at, lastLoginAt: undefined, loginCount: 0 };
  return { id, email: `${id}@x.example`, username: undefined, roles: [], disabled: false, ...times };
}

const all = Array.from({ length: 100 }, (_, n) =>
  userWith(`0190a5f0-7c1b-7abc-8def-${String(n).padStart(12, "0")}`),
);
const list = vi.fn(
  async ({ after = "", limit }: { after: string | undefined; limit: number; prefix: string | undefined }) =>
    all.filter((user) => user.id > after).slice(0, limit),
);
const page = (pageSize: number, pageToken = "", query = "") =>
  listUsers({ users: { list } }, { caller, pageSize, pageToken, query });

test("pages are of 50 by default, and the last has no token although it is full", async () => {
  const first = await page(0);
  expect(first.users).toEqual(all.slice(0, 50));
  const second = await page(0, first.nextPageToken);
  expect(second).toEqual({ users: all.slice(50), nextPageToken: "" });
});

test("every user is on one page", async () => {
  const seen: User[] = [];
  let token = "";
  do {
    const { users, nextPageToken } = await page(7, token);
    seen.push(...users);
    token = nextPageToken;
  } while (token !== "");
  expect(seen).toEqual(all);
});

test("the query is folded", async () => {
  await page(1, "", "MU\u0308");
  expect(list.mock.lastCall?.[0]).toMatchObject({ prefix: "mü" });
});

test("white space around the query is dropped", async () => {
  await page(1, "", " Adm\u00a0");
  expect(list.mock.lastCall?.[0]).toMatchObject({ prefix: "adm" });
  await page(1, "", " \t");
  expect(list.mock.lastCall?.[0].prefix).toBeUndefined();
});

test.each([
  "x",
  "AAAA",
  "AZCl8HwberyN7wEjRWeJqw==",
  "AZCl8HwberyN7wEjRWeJqx",
  " AZCl8HwberyN7wEjRWeJqw",
  "é",
])("E10 the page token %j is invalid", async (token) => {
  await expect(page(1, token)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test.each(["\0", "a\nb", "\ud800"])("E06 the query %j is refused", async (query) => {
  await expect(page(1, "", query)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test("requires the permission", async () => {
  const other = { ...caller, permissions: new Set(["login"] as const) };
  const listed = listUsers({ users: { list } }, { caller: other, pageSize: 0, pageToken: "", query: "" });
  await expect(listed).rejects.toMatchObject({ reason: "NOT_PERMITTED" });
});
