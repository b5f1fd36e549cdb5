#!/usr/bin/env bash
# Every check and every test. The last line on stdout is `N passed, N failed`, both together.
set -u
cd "$(dirname "$0")/.."
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

if ! .ci/stores.sh; then
  echo "0 passed, 1 failed"
  exit 1
fi

.ci/check.sh >"$temp/check" &
checks=$!
vitest run --reporter=default --reporter=./test/support/run/slowest-files.ts \
  --reporter=json --outputFile.json="$temp/vitest.json"
code=$?
node test/support/run/vitest-totals.ts "$temp/vitest.json" >"$temp/totals" || echo "0 0" >"$temp/totals"
read -r tests_passed tests_failed < <(tail -n 1 "$temp/totals")
# A run may fail beside its tests: none found, an error that no test caught, no report.
if ((code != 0 && tests_failed == 0)); then tests_failed=1; fi

wait "$checks"
sed '$d' "$temp/check"
# Near the end, where it is found.
sed '$d' "$temp/totals"
read -r passed _ failed _ < <(tail -n 1 "$temp/check")
passed=$((passed + tests_passed)) failed=$((failed + tests_failed))
echo "$passed passed, $failed failed"
((failed == 0))
