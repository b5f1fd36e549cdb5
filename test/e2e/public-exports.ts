import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A name that an entry point of a package exports. */
export interface PublicExport {
  readonly name: string;
  /** Whether it exists at run time: a function, a constant or a class. */
  readonly isValue: boolean;
  /** The text of its doc comment, without the asterisks; empty if it has none. */
  readonly doc: string;
}

const declarations =
  /(?:\/\*\*((?:(?!\*\/).)*)\*\/\n)?^export (?:async )?(function|const|class|interface|type) (\w+)/gms;
const reexports = /^export (type )?\{(.*?)\} from "(.*?)";/gms;

/**
 * The exports of an entry point, with the doc comments of their declarations.
 * @param entry path of a module whose exports are its own declarations, or named ones of other modules
 */
export async function publicExports(entry: string): Promise<PublicExport[]> {
  const text = await readFile(entry, "utf8");
  const found = declarationsIn(text);
  for (const [, isType, names = "", from = ""] of text.matchAll(reexports)) {
    const declared = declarationsIn(await readFile(join(dirname(entry), from), "utf8"));
    for (const part of names.split(",").filter((one) => one.trim() !== "")) {
      const [, typeWord, name = ""] = /^\s*(type )?(\w+)\s*$/.exec(part) ?? [];
      const one = declared.find((other) => other.name === name);
      if (one === undefined)
        throw new Error(`${entry} exports ${part.trim()}, which ${from} does not declare`);
      found.push(isType || typeWord ? { ...one, isValue: false } : one);
    }
  }
  return found;
}

/** The code of each `@example` in a doc comment. */
export function examplesIn(doc: string): string[] {
  const examples = doc.split("@example").slice(1);
  return examples.map((example) => /```ts\n(.*?)```/s.exec(example)?.[1] ?? "");
}

function declarationsIn(text: string): PublicExport[] {
  return [...text.matchAll(declarations)].map(([, comment = "", kind, name = ""]) => ({
    name,
    isValue: kind !== "interface" && kind !== "type",
    doc: comment.replaceAll(/^ *\* ?/gm, "").trim(),
  }));
}
