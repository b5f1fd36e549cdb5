import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { auditEvents, refusalReasons } from "./audit-events.ts";

const source = `${import.meta.dirname}/../..`;
const sorted = (names: Iterable<string>) => [...new Set(names)].sort();

/** The first argument of every note that is made, in SQL and in code; it may be chosen by a `case`. */
const notes = /\b(?:record_audit|record_key_change)\(\s*(case[^,]*?end|'[a-z_]+')\s*,/g;
const noted = /event: "([a-z_]+)"/g;

function eventsIn(text: string): string[] {
  return [...text.matchAll(notes)].flatMap(([, first = ""]) =>
    [...first.matchAll(/'([a-z_]+)'/g)].map(([, name = ""]) => name),
  );
}

async function texts(folder: string, pattern: RegExp): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => pattern.test(name));
  return Promise.all(names.map((name) => readFile(`${folder}/${name}`, "utf8")));
}

test("every event that SQL and code note is in the list, and no other", async () => {
  const written = [
    ...(await texts(`${source}/store/postgres/functions`, /\.sql$/)),
    ...(await texts(`${source}/store/postgres`, /(?<!\.test)\.ts$/)),
  ];
  const own = await texts(`${source}/domain/audit`, /(?<!\.test)\.ts$/);
  const events = [
    ...written.flatMap(eventsIn),
    ...own.flatMap((text) => [...text.matchAll(noted)].map(([, name = ""]) => name)),
  ];
  expect(sorted(events)).toEqual(sorted(auditEvents));
  // Of a note whose name is given otherwise this test knows nothing: there is the one that hands names on.
  const others = written.flatMap(
    (text) => text.match(/perform postern\.record_audit\((?!\s*(case|'))/g) ?? [],
  );
  expect(others).toEqual([]);
});

test("docs/reference/audit.md has a row for every event and every reason of a refusal, and for no other", async () => {
  const document = await readFile(`${source}/../../../docs/reference/audit.md`, "utf8");
  const [, events = "", reasons = ""] = document.split(/^\| (?:event|reason) \|/m);
  const names = (table: string) =>
    [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = ""]) => cell.match(/[a-z_]+/g) ?? []);
  expect(names(events)).toEqual([...auditEvents]);
  expect(names(reasons)).toEqual([...refusalReasons]);
});
