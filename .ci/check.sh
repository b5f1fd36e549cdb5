#!/usr/bin/env bash
# The static checks, one line each; of one that fails, what it says. Last: `N passed, N failed`.
set -u
cd "$(dirname "$0")/.."
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
passed=0 failed=0

check() {
  local name=$1
  shift
  if "$@" >"$temp/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name"
  else
    failed=$((failed + 1))
    echo "FAILED  $name: $*"
    cat "$temp/output"
  fi
}

generated() {
  buf generate -o "$temp" && diff -r gen/src "$temp/gen/src"
}

check "lint and format" biome check --error-on-warnings .
check "types" tsc --noEmit
check "contracts: lint" buf lint
check "contracts: format" buf format --diff --exit-code proto
check "contracts: compatible with the last release" buf breaking --against proto/last-release.binpb
check "generated code is today's" generated

echo "$passed passed, $failed failed"
((failed == 0))
