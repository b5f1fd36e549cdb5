import { expect, test } from "vitest";
import type { Caller } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { AuditEvent, AuditPage, AuditSlice } from "../ports/audit-store.ts";
import { listAuditEvents } from "./list-audit-events.ts";

const all = new Set(["*"]);
const caller: Caller = {
  name: "admin",
  permissions: new Set(["admin" as const]),
  trustedAddress: false,
  scopes: all,
  audiences: all,
  clients: all,
};
const idOf = (number: number) => `0188bac7-4afa-78aa-bc3b-${String(number).padStart(12, "0")}`;
const rows = Array.from({ length: 30 }, (_, index) => ({ id: idOf(index) }) as AuditEvent);
/** Few rows fit, the others are looked at. */
const fits = new Set([3, 12, 13, 14, 29].map(idOf));

/** Looks at five rows a time. */
async function scan(_: unknown, { beyond, limit }: AuditPage): Promise<AuditSlice> {
  const ahead = rows.filter(({ id }) => beyond === undefined || id > beyond).slice(0, 5);
  const events = ahead.filter(({ id }) => fits.has(id)).slice(0, limit);
  const reached =
    events.length === limit ? events.at(-1)?.id : ahead.length < 5 ? undefined : ahead.at(-1)?.id;
  return { events, reached };
}

async function pages(pageSize: number, timeoutMs: number): Promise<string[][]> {
  const found: string[][] = [];
  let pageToken = "";
  do {
    const page = await listAuditEvents(
      { audit: { scan }, monotonicMs: () => 0 },
      { caller, filter: {}, order: "oldest first" as const, pageSize, pageToken, timeoutMs },
    );
    found.push(page.events.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return found;
}

test("with patience, pages are full, and the last one says that it is", async () => {
  const expected = [...fits];
  expect(await pages(2, Number.POSITIVE_INFINITY)).toEqual([
    expected.slice(0, 2),
    expected.slice(2, 4),
    expected.slice(4),
  ]);
  expect(await pages(5, Number.POSITIVE_INFINITY)).toEqual([expected]);
});

test("without, they are what one look finds; all of them together are the same", async () => {
  for (const size of [1, 2, 5]) {
    const found = await pages(size, 0);
    expect(found.flat()).toEqual([...fits]);
    expect(found.some((page) => page.length === 0)).toBe(true);
  }
});

test("is for administrators", async () => {
  const limited = { ...caller, permissions: new Set(["users" as const]) };
  const input = { caller: limited, filter: {}, order: "newest first" as const, pageSize: 1, pageToken: "" };
  await expect(
    listAuditEvents({ audit: { scan }, monotonicMs: () => 0 }, { ...input, timeoutMs: 0 }),
  ).rejects.toThrow(AuthError);
});
