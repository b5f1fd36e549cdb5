import type { CompletedWords } from "./words.ts";

/** A script that bash 3.2 and newer reads. */
export function bashCompletion(all: readonly CompletedWords[]): string {
  const begun = all.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
  return `# bash completion for postern: source <(postern completion bash)
_postern() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="" next i
  # bash takes the = of --option=value for a word.
  if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${at:+$at }\${COMP_WORDS[i]}"
    case "$next" in
      ${begun.join("|")}) at="$next" ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$at $prev" in
${all.flatMap(valueCases).join("\n")}
  esac
  case "$at" in
${all.map(wordsCase).join("\n")}
  esac
}
complete -F _postern postern
`;
}

function valueCases({ path, options }: CompletedWords): string[] {
  const at = (names: readonly string[]) => names.map((name) => `"${path.join(" ")} --${name}"`).join("|");
  const namesOf = (wanted: readonly CompletedWords["options"][number][]) => wanted.map(({ name }) => name);
  const valued = options.filter(({ takesValue }) => takesValue);
  const chosen = valued.filter(({ choices }) => choices.length > 0);
  const files = namesOf(valued.filter(({ isFile }) => isFile));
  const others = namesOf(valued.filter(({ choices, isFile }) => choices.length === 0 && !isFile));
  return [
    ...chosen.map(
      ({ name, choices }) =>
        `    ${at([name])}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$cur")); return ;;`,
    ),
    ...(files.length === 0
      ? []
      : [
          `    ${at(files)}) compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur")); return ;;`,
        ]),
    ...(others.length === 0 ? [] : [`    ${at(others)}) return ;;`]),
  ];
}

function wordsCase({ path, next, options, choices }: CompletedWords): string {
  const words = [...next.map(({ word }) => word), ...choices, ...options.map(({ name }) => `--${name}`)];
  return `    "${path.join(" ")}") COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$cur")) ;;`;
}
