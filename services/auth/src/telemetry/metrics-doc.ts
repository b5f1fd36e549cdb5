import { replaceMarked } from "../lib/marked-section.ts";
import { createMetrics } from "./metrics.ts";

const markers = [
  "<!-- table of metrics, generated: vitest run services/auth/src/telemetry --update -->",
  "<!-- end of the table of metrics -->",
] as const;

/**
 * `docs/reference/metrics.md` with the current table of metrics.
 * @throws {Error} if the page does not have the markers of the table
 */
export async function withMetricsTable(page: string): Promise<string> {
  const all = await createMetrics().registry.getMetricsAsJSON();
  const rows = all
    .filter(({ name }) => name.startsWith("postern_"))
    .map(({ name, type, help }) => `| \`${name}\` | ${String(type)} | ${help} |`);
  return replaceMarked(page, markers, ["| name | type | meaning |", "|---|---|---|", ...rows].join("\n"));
}
