import type { CompletedOption, CompletedWords } from "./words.ts";

/** A script that fish sources. */
export function fishCompletion(all: readonly CompletedWords[]): string {
  return `# fish completion for postern: postern completion fish | source
function __postern_words
    set -l words (commandline -opc)
    set -e words[1]
    string join -- \\n $words
end
# Whether the command line has exactly these words.
function __postern_at
    set -l words (__postern_words)
    test "$words" = "$argv"
end
# Whether the command line begins with these words.
function __postern_in
    set -l words (__postern_words)
    test (count $words) -ge (count $argv); and test "$words[1..(count $argv)]" = "$argv"
end
complete -c postern -f
${all.flatMap(linesOf).join("\n")}
`;
}

function linesOf({ path, next, options, choices }: CompletedWords): string[] {
  const words = path.join(" ");
  const at = quoted(path.length === 0 ? "__postern_at" : `__postern_at ${words}`);
  const within = path.length === 0 || next.length > 0 ? at : quoted(`__postern_in ${words}`);
  return [
    ...next.map(({ word, help }) => `complete -c postern -n ${at} -a ${word} -d ${quoted(help)}`),
    ...choices.map((choice) => `complete -c postern -n ${at} -a ${choice}`),
    ...options.map((option) => `complete -c postern -n ${within} -l ${option.name}${valueFlags(option)}`),
  ];
}

function valueFlags({ help, takesValue, choices, isFile }: CompletedOption): string {
  const described = ` -d ${quoted(help)}`;
  if (!takesValue) return described;
  if (isFile) return ` -r -F${described}`;
  return ` -x${choices.length > 0 ? ` -a ${quoted(choices.join(" "))}` : ""}${described}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
