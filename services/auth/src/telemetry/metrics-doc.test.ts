import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { withMetricsTable } from "./metrics-doc.ts";

test("docs/reference/metrics.md has the current table of metrics (vitest --update writes it)", async () => {
  const path = `${import.meta.dirname}/../../../../docs/reference/metrics.md`;
  await expect(await withMetricsTable(await readFile(path, "utf8"))).toMatchFileSnapshot(path);
});
