import { posix } from "node:path";
import { parseSync, Visitor } from "oxc-parser";

/** One file's wish for another, or for a package. */
export interface Import {
  /** As written; `undefined` where it is computed. */
  readonly specifier: string | undefined;
  /** Gone when the file runs. */
  readonly typeOnly: boolean;
}

/** What a file says, as far as the architecture's rules go. */
export interface SourceFile {
  readonly path: string;
  readonly imports: readonly Import[];
  /** The source with its comments blanked. */
  readonly code: string;
  readonly lines: number;
}

/** Reads a TypeScript or JavaScript file: imports, re-exports, `import()` and the types `import("…").T`. */
export function readSource(path: string, text: string): SourceFile {
  const { module, program, comments, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const imports: Import[] = [];
  for (const { moduleRequest, entries, start } of module.staticImports) {
    const typeOnly =
      entries.length > 0 ? entries.every((e) => e.isType) : /^import\s+type\b/.test(text.slice(start));
    imports.push({ specifier: moduleRequest.value, typeOnly });
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest) imports.push({ specifier: moduleRequest.value, typeOnly: isType });
    }
  }
  new Visitor({
    ImportExpression({ source }) {
      const literal = source.type === "Literal" && typeof source.value === "string";
      imports.push({ specifier: literal ? String(source.value) : undefined, typeOnly: false });
    },
    TSImportType({ source }) {
      imports.push({ specifier: source.value, typeOnly: true });
    },
  }).visit(program);
  const code = comments.reduce(
    (t, c) => t.slice(0, c.start) + " ".repeat(c.end - c.start) + t.slice(c.end),
    text,
  );
  return { path, imports, code, lines: text.trimEnd().split("\n").length };
}

const WORKSPACE: readonly (readonly [prefix: string, folder: string])[] = [
  ["@postern/client/", "services/client/src/"],
  ["@postern/proto/", "gen/src/"],
];

/** The path of the imported file from the top of the repository; `undefined` for a package or a built-in module. */
export function resolveOwn(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  const own = WORKSPACE.find(([prefix]) => specifier.startsWith(prefix));
  return own && own[1] + specifier.slice(own[0].length);
}
