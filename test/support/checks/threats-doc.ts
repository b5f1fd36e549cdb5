import { parseSync, Visitor } from "oxc-parser";
import { threatRows } from "./threat-rows.ts";

/** Names of rows at the beginning of a title, as in `C04 C05: …`. */
const leading = /^(?:[A-P]\d\d(?:,? |: ?|$))+/;

/** Rows that the titles in a file bear: its texts that begin with the name of one. */
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
 * @throws where a row has no test, or a test names a row that there is not
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
  return `# Known attacks and faults, and the tests that show what becomes of them

The titles of tests begin with the names of these rows. Groups: A token texts, B claims and time, C refresh tokens, D
logins, E identifiers, I headers, J Introspect and Revoke, K logs and secrets, L transport, M Redis, N Postgres, O clocks,
keys and processes.

| row | what is tried, and what happens | tests |
|---|---|---|
${lines.join("\n")}

## Clocks

No decision is taken by a replica's own clock, so none is refused for being wrong. What is left of it: the first 48 bits
of new ids, which say in what order lists stand and nothing else; the times of log lines; the age of a lock file without a process number, with the
embedded database. How long somebody waits is measured by the monotonic clock. Where a connection to Postgres or Redis
is by TLS, certificates are judged by the machine's clock, and a wrong one means no connection.

## When there is an image

What the process can do by itself it does: nothing of its memory is in cores (\`/proc/self/coredump_filter\`), and SIGUSR1
opens no debugger. An image should besides start Node with \`--disable-sigusr1\` (until our code runs, a moment, the signal
works), without a debugger, report or heap snapshot among its flags and in \`NODE_OPTIONS\`, as a user of its own, without
\`CAP_SYS_PTRACE\`, on a root file system that is read-only. Whoever is root, or runs as the same user and may trace, reads
the memory of any process.
`;
}
