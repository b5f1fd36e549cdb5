import type { Output } from "./io.ts";

/** Prints a command's answer: as JSON on one line, or a list as a table and an object as lines. */
export function printAnswer(output: Output, answer: unknown, { json }: { readonly json: boolean }): void {
  if (answer === undefined) return;
  output.write(json ? formatJson(answer) : formatText(answer));
}

/** JSON on one line, with escaped control characters that a terminal could interpret. */
export function formatJson(answer: unknown): string {
  return `${escapeControls(JSON.stringify(answer))}\n`;
}

/**
 * A list of objects as a table with their members' names as headings; an object with one line for each member, and its
 * lists of objects below.
 */
export function formatText(answer: unknown): string {
  if (Array.isArray(answer)) return formatTable(answer.map(toRecord));
  if (typeof answer !== "object" || answer === null) return `${formatCell(answer)}\n`;
  const members = Object.entries(answer);
  const lines = members
    .filter(([, value]) => !isTable(value))
    .map(([name, value]) => [name, formatCell(value)]);
  const tables = members.flatMap(([name, value]) =>
    isTable(value) ? [`\n${name}:\n${formatTable(value.map(toRecord))}`] : [],
  );
  return [formatColumns(lines), ...tables].join("");
}

/** Rows of cells in columns, separated by two spaces, without trailing spaces. */
export function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

function formatTable(records: readonly Readonly<Record<string, unknown>>[]): string {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const rows = records.map((record) => names.map((name) => formatCell(record[name])));
  return rows.length === 0 ? "" : formatColumns([names, ...rows]);
}

function isTable(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "object");
}

function toRecord(item: unknown): Readonly<Record<string, unknown>> {
  return typeof item === "object" && item !== null ? { ...item } : { value: item };
}

/** One value for people; `-` if there is none. */
export function formatCell(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.map(formatCell).join(",");
  return escapeControls(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** Outsiders choose names and user agents: their text must not control the terminal or reorder its output. */
function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    // UTF-16 units, as in JSON.
    Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit))
      .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
