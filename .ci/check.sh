#!/usr/bin/env bash
# The static checks at the same time, one line each; of one that fails, its output. Last: `N passed, N failed`.
set -u
cd "$(dirname "$0")/.."
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
names=()

check() {
  local number=${#names[@]}
  names+=("$1")
  shift
  { "$@" >"$temp/output-$number" 2>&1 || echo "$*" >"$temp/failed-$number"; } &
}

generated() {
  buf generate -o "$temp/generated" && diff -r gen/src "$temp/generated/gen/src"
}

check "lint and format" biome check --error-on-warnings .
check "types" tsc --noEmit
check "contracts: lint" buf lint
check "contracts: format" buf format --diff --exit-code proto
check "contracts: compatible with the last release" buf breaking --against proto/last-release.binpb
check "generated code is current" generated
wait

failed=0
for number in "${!names[@]}"; do
  if [ -e "$temp/failed-$number" ]; then
    failed=$((failed + 1))
    echo "FAILED  ${names[number]}: $(cat "$temp/failed-$number")"
    cat "$temp/output-$number"
  else
    echo "ok      ${names[number]}"
  fi
done
echo "$((${#names[@]} - failed)) passed, $failed failed"
((failed == 0))
