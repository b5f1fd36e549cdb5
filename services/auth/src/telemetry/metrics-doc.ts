import { createMetrics } from "./metrics.ts";

/** The whole of `docs/reference/metrics.md`, generated from the metrics. */
export async function metricsDocument(): Promise<string> {
  const all = await createMetrics().registry.getMetricsAsJSON();
  const rows = all
    .filter(({ name }) => name.startsWith("postern_"))
    .map(({ name, type, help }) => `| \`${name}\` | ${String(type)} | ${help} |`);
  return `# Metrics

\`/metrics\` on the operator's listener (\`POSTERN_OPS_ADDR\`) answers in the text format of Prometheus. Prometheus's
default metrics of the process and of Node.js are there too. No label contains a name, an address or an ID.

| name | type | meaning |
|---|---|---|
${rows.join("\n")}
`;
}
