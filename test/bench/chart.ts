import { floorOf, over, type Report } from "./report.ts";
import { digits } from "./table.ts";

const [rowHeight, barHeight, left, right, top] = [40, 12, 130, 110, 44];
const width = 760;

/** Where a bar is cut off. */
const gap = `fill="#fff"`;

/** Colours that are visible on white and on black. */
const style = `
  text { font: 13px system-ui, sans-serif; fill: #727c87 } .small { font-size: 11px }
  .server { fill: #3b82c4 } .postgres { fill: #d98b2b } .bare { fill: #9aa3ad }`;

/** An SVG of the processor time of each case, and of a bare server with the bare work. */
export function chartOf(report: Report): string {
  const rows = report.cases.map((one) => {
    const { http, work } = floorOf(one, report.bareWork);
    return {
      name: one.name,
      server: over(one.rounds, ({ serverMs }) => serverMs).median,
      postgres: over(one.rounds, ({ postgresMs }) => postgresMs).median,
      bare: http + work,
    };
  });
  const scale = (width - left - right) / limitOf(rows.map(({ server, postgres }) => server + postgres));
  const height = top + rows.length * rowHeight;
  const bars = rows.map(({ name, server, postgres, bare }, index) => {
    const y = top + index * rowHeight;
    const total = `${digits(server)} + ${digits(postgres)}`;
    return [
      text(left - 10, y + 16, name, `text-anchor="end"`),
      ...stack(y, scale, [
        ["server", server],
        ["postgres", postgres],
      ]),
      text(endOf(scale, server + postgres), y + 11, total, `class="small"`),
      ...stack(y + barHeight + 2, scale, [["bare", bare]]),
      text(endOf(scale, bare), y + barHeight + 13, digits(bare), `class="small"`),
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    "<title>Processor time of 1,000 calls, in milliseconds</title>",
    `<style>${style}\n</style>`,
    text(0, 14, "Processor time of 1,000 calls, in milliseconds: less is better"),
    ...legend(),
    ...bars,
    "</svg>\n",
  ].join("\n");
}

/** Where the scale ends: a bar more than four times as long as the median one is cut off. */
function limitOf(totals: readonly number[]): number {
  const sorted = totals.toSorted((a, b) => a - b);
  const cut = 4 * (sorted[Math.floor((sorted.length - 1) / 2)] ?? 1);
  return Math.max(...sorted.filter((total) => total <= cut));
}

function legend(): string[] {
  const entries = [
    ["server", "server"],
    ["postgres", "Postgres"],
    ["bare", "a bare server with the same bytes, and the bare signing, hashing and asking for commits"],
  ] as const;
  let x = 0;
  return entries.flatMap(([kind, label]) => {
    const at = x;
    x += 90;
    return [
      `<rect class="${kind}" x="${at}" y="24" width="10" height="10"/>`,
      text(at + 15, 33, label, `class="small"`),
    ];
  });
}

function stack(y: number, scale: number, parts: readonly (readonly [string, number])[]): string[] {
  let from = left;
  return parts.map(([kind, value]) => {
    const to = Math.min(width - right, from + value * scale);
    const isCut = to > from && from + value * scale > width - right + 1;
    const bar = `<rect class="${kind}" x="${px(from)}" y="${y}" width="${px(to - from)}" height="${barHeight}"/>`;
    from = to;
    return isCut
      ? `${bar}\n<path d="M ${px(to - 14)} ${y + barHeight} l 4 -${barHeight} h 4 l -4 ${barHeight} z" ${gap}/>`
      : bar;
  });
}

function endOf(scale: number, value: number): number {
  return Math.min(width - right, left + value * scale) + 6;
}

function text(x: number, y: number, content: string, attributes = `class="title"`): string {
  return `<text x="${px(x)}" y="${y}" ${attributes}>${content}</text>`;
}

function px(value: number): string {
  return value.toFixed(1);
}
