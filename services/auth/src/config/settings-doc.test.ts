import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { permissions } from "../domain/caller/permission.ts";
import { withSettingsTable } from "./settings-doc.ts";

const path = `${import.meta.dirname}/../../../../docs/reference/configuration.md`;

test("docs/reference/configuration.md has the current table of settings (vitest --update writes it)", async () => {
  await expect(withSettingsTable(await readFile(path, "utf8"))).toMatchFileSnapshot(path);
});

test("docs/reference/configuration.md has a row for each permission", async () => {
  const [, table = ""] = (await readFile(path, "utf8")).split("| permission | allows |");
  const rows = [...(table.split("\n\n")[0] ?? "").matchAll(/^\| `([a-z:]+)` \|/gm)].map(([, name]) => name);
  expect(rows).toEqual([...permissions]);
});
