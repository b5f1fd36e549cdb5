import { createMetrics } from "./metrics.ts";

/** The whole of `docs/metrics.md`, from the metrics themselves. */
export async function metricsDocument(): Promise<string> {
  const all = await createMetrics().registry.getMetricsAsJSON();
  const rows = all
    .filter(({ name }) => name.startsWith("postern_"))
    .map(({ name, type, help }) => `| \`${name}\` | ${String(type)} | ${help} |`);
  return `# Metrics

\`/metrics\` on the operator's listener (\`POSTERN_OPS_ADDR\`) answers in the text format of Prometheus. Beside
these stand the usual ones of the process and of Node.js. No label holds a name, an address or an id.

| name | type | meaning |
|---|---|---|
${rows.join("\n")}
`;
}
