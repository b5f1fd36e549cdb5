import { parseSync, Visitor } from "oxc-parser";
import { threatRows } from "./threat-rows.ts";

/** Codes of rows at the beginning of a title, as in `C04 C05: …`. */
const leading = /^(?:[A-P]\d\d(?:,? |: ?|$))+/;

/** Codes of rows in the titles of a file: its texts that begin with a code. */
export function rowsIn(path: string, text: string): ReadonlySet<string> {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const rows = new Set<string>();
  const read = (literal: string) => {
    for (const [row] of leading.exec(literal)?.[0].matchAll(/[A-P]\d\d/g) ?? []) rows.add(row);
  };
  new Visitor({
    Literal({ value }) {
      if (typeof value === "string") read(value);
    },
    TemplateLiteral({ quasis: [first] }) {
      read(first?.value.raw ?? "");
    },
  }).visit(program);
  return rows;
}

/**
 * The whole of `docs/threats.md`.
 * @param tests the rows of each file of tests, by its path
 * @throws if a row has no test, or a test has an unknown code
 */
export function threatsDocument(tests: ReadonlyMap<string, ReadonlySet<string>>): string {
  const unknown = [...tests].flatMap(([path, rows]) =>
    [...rows].filter((row) => threatRows[row] === undefined).map((row) => `${row} in ${path}`),
  );
  if (unknown.length > 0) throw new Error(`rows that are not in threat-rows.ts: ${unknown.join(", ")}`);
  const lines = Object.entries(threatRows).map(([row, text]) => {
    const paths = [...tests].filter(([, rows]) => rows.has(row)).map(([path]) => `\`${path}\``);
    if (paths.length === 0) throw new Error(`no title of a test begins with ${row}`);
    return `| ${row} | ${text} | ${paths.sort().join("<br>")} |`;
  });
  return `# Known attacks and faults

Each row is an attack or a fault, the required result, and the tests that check it. The titles of these tests begin with
the code of the row. Groups: A token texts, B claims and time, C refresh tokens, D logins, E identifiers, I headers, J
Introspect and Revoke, K logs and secrets, L transport, M Redis, N Postgres, O clocks, keys and processes.

| code | attack or fault, and result | tests |
|---|---|---|
${lines.join("\n")}

## Clocks

No decision depends on a replica's own clock. That clock is used for the first 48 bits of new IDs, which only order lists,
for the times of log lines, and for the age of a lock file without a process number (embedded database). Timeouts use the
monotonic clock. If a connection to Postgres or Redis uses TLS, the machine's clock decides whether a certificate is valid; with a
wrong clock there is no connection.

## Container images

The process keeps its memory out of core dumps (\`/proc/self/coredump_filter\`), and SIGUSR1 opens no debugger. An image should
also

- start Node with \`--disable-sigusr1\`: the signal works for a moment, until Postern's code runs,
- have no debugger, report or heap snapshot among Node's flags and in \`NODE_OPTIONS\`,
- run as a separate user, without \`CAP_SYS_PTRACE\`, on a read-only root file system.

A process of root, or of the same user with the right to trace, can read the memory of any process.
`;
}
