import { mkdir, readFile, writeFile } from "node:fs/promises";
import { replaceMarked } from "../../services/auth/src/lib/marked-section.ts";
import { chartOf } from "./chart.ts";
import type { Report } from "./report.ts";
import { factsOf, sectionsOf } from "./sections.ts";
import { markdownTable, textTable } from "./table.ts";

const docs = `${import.meta.dirname}/../../docs`;
const markers = [
  "<!-- figures of a run: `make bench BENCH=--docs` -->",
  "<!-- end of the figures -->",
] as const;

/** What a person is shown at a terminal. */
export function textOf(report: Report): string {
  const tables = sectionsOf(report).map(({ title, cells }) => `${title}\n\n${textTable(cells)}`);
  return `${[...tables, factsOf(report).join("\n")].join("\n\n")}\n`;
}

/** Writes `bench.json` and `bench.svg`, and sees to it that Git does not look at the folder. */
export async function writeFolder(folder: string, report: Report): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/.gitignore`, "*\n");
  await writeFile(`${folder}/bench.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(`${folder}/bench.svg`, chartOf(report));
}

/** Replaces the figures of the last run in `docs/benchmarks.md`, and the chart. */
export async function writeDocs(report: Report): Promise<void> {
  const file = `${docs}/benchmarks.md`;
  await writeFile(file, withFigures(await readFile(file, "utf8"), report));
  await writeFile(`${docs}/benchmarks.svg`, chartOf(report));
}

/** @throws {Error} if the document has no place for them */
export function withFigures(document: string, report: Report): string {
  const figures = [
    ...factsOf(report).map((fact) => `- ${fact}`),
    "",
    "![Processor time of 1,000 calls](benchmarks.svg)",
    ...sectionsOf(report).flatMap(({ title, cells }) => ["", `### ${title}`, "", markdownTable(cells)]),
  ];
  return replaceMarked(document, markers, figures.join("\n"));
}
