import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { threatRows } from "./support/checks/threat-rows.ts";
import { rowsIn, threatsDocument } from "./support/checks/threats-doc.ts";

const top = `${import.meta.dirname}/..`;

function testsOfRows(): Map<string, ReadonlySet<string>> {
  const paths = globSync(["services/**/*.test.ts", "test/**/*.{test,suite,suites}.ts"], {
    cwd: top,
    exclude: ["**/node_modules/**", "test/threats.test.ts"],
  });
  return new Map(paths.map((path) => [path, rowsIn(path, readFileSync(`${top}/${path}`, "utf8"))]));
}

test("docs/threats.md says which tests there are (vitest --update writes it)", async () => {
  await expect(threatsDocument(testsOfRows())).toMatchFileSnapshot(`${top}/docs/threats.md`);
});

describe("rows", () => {
  test.each([
    ['test("C04 C05: both", () => {})', ["C04", "C05"]],
    ['describe("A14, C13 all pairs", () => {})', ["A14", "C13"]],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    ["test(`B08: ${rounds} × Login`, () => {})", ["B08"]],
    ['describe("D06", () => {})', ["D06"]],
    ['test.each([{ title: "M09: a list" }])("$title", () => {})', ["M09"]],
    ['// A01: a comment\ntest("a C01 in between", () => {})', []],
    ['const id = "A01B02";', []],
  ])("are read from %s", (source, rows) => {
    expect([...rowsIn("a.test.ts", source)]).toEqual(rows);
  });

  test("without a test, and tests of unknown rows, are faults", () => {
    const all = new Set(Object.keys(threatRows));
    const [first = "", ...others] = all;
    expect(() => threatsDocument(new Map([["a.test.ts", all]]))).not.toThrow();
    expect(() => threatsDocument(new Map([["a.test.ts", new Set(others)]]))).toThrow(first);
    expect(() => threatsDocument(new Map([["a.test.ts", new Set([...all, "Z99"])]]))).toThrow(
      "Z99 in a.test.ts",
    );
  });
});
