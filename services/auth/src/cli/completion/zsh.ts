import type { CompletedOption, CompletedWords } from "./words.ts";

/** A script that zsh sources, or finds as `_postern` in its `fpath`. */
export function zshCompletion(all: readonly CompletedWords[]): string {
  return `#compdef postern
# zsh completion for postern: source <(postern completion zsh)
_postern() {
  local at="" following
  local -i depth=2
  local -a commands
  while (( depth < CURRENT )); do
    following="\${at:+$at }$words[depth]"
    case "$following" in
      ${all
        .filter(({ path }) => path.length > 0)
        .map(({ path }) => quoted(path.join(" ")))
        .join("|")}) at="$following" ;;
      *) break ;;
    esac
    (( depth++ ))
  done
  # What follows the command is completed as if the command were one word.
  shift $(( depth - 2 )) words
  (( CURRENT -= depth - 2 ))
  case "$at" in
${all.map(pathCase).join("\n")}
  esac
}
if [[ "$funcstack[1]" == "_postern" ]]; then _postern "$@"; else compdef _postern postern; fi
`;
}

function pathCase({ path, next, options, choices }: CompletedWords): string {
  const at = `    ${quoted(path.join(" "))})`;
  if (next.length > 0) {
    const words = next.map(({ word, help }) => quoted(`${word}:${help}`));
    return `${at}
      commands=(${words.join(" ")})
      _describe -t commands "postern command" commands ;;`;
  }
  const argument = choices.length > 0 ? [quoted(`1:argument:(${choices.join(" ")})`)] : [];
  return `${at}
      _arguments ${[...options.map(optionSpec), ...argument].join(" ")} ;;`;
}

function optionSpec({ name, help, isMultiple, takesValue, choices, isFile }: CompletedOption): string {
  const value = choices.length > 0 ? `(${choices.join(" ")})` : isFile ? "_files" : " ";
  const escaped = help.replace(/[\\[\]:]/g, "\\$&");
  return quoted(
    `${isMultiple ? "*" : ""}--${name}${takesValue ? "=" : ""}[${escaped}]${takesValue ? `:${name}:${value}` : ""}`,
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
