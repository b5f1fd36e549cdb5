/** Cells by row; the first row is the head, the first column holds names, the others figures. */
export type Cells = readonly (readonly string[])[];

/** For a terminal. */
export function textTable(cells: Cells): string {
  const widths = widthsOf(cells);
  return cells
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0, column))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** For a document. */
export function markdownTable([head = [], ...rows]: Cells): string {
  const rule = head.map((_, column) => (column === 0 ? "---" : "--:"));
  return [head, rule, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** Three digits, or all before the point: more would not be the same in the next run. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const places = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", {
    minimumFractionDigits: Math.min(places, 2),
    maximumFractionDigits: Math.min(places, 2),
  });
}

function widthsOf(cells: Cells): number[] {
  const columns = Math.max(0, ...cells.map((row) => row.length));
  return Array.from({ length: columns }, (_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
