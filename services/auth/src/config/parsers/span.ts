import { SettingError } from "../error.ts";

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function isUnit(text: string): text is keyof typeof unitMs {
  return Object.hasOwn(unitMs, text);
}

/** @returns milliseconds; undefined unless the text is one whole number and one unit */
function readSpan(text: string): number | undefined {
  const [, digits, unit] = /^(0|[1-9][0-9]{0,11})(ms|s|m|h|d)$/.exec(text) ?? [];
  return digits !== undefined && unit !== undefined && isUnit(unit)
    ? Number(digits) * unitMs[unit]
    : undefined;
}

/**
 * A time span: one whole number and one unit (`500ms`, `5m`, `30d`). `0` needs no unit, if the minimum is zero.
 * @returns a parser that returns milliseconds; `least` and `most` are time spans, both inclusive
 */
export function parseSpan(least: string, most: string): (text: string) => number {
  const leastMs = readSpan(least) ?? Number.NaN;
  const mostMs = readSpan(most) ?? Number.NaN;
  return (text) => {
    const value = text === "0" ? 0 : (readSpan(text) ?? Number.NaN);
    if (!(value >= leastMs && value <= mostMs)) {
      throw new SettingError(
        `write one whole number and one unit (ms, s, m, h, d), such as \`5m\`, from ${least} to ${most}`,
      );
    }
    return value;
  };
}
