#!/usr/bin/env bash
# Builds and runs all tests. Arguments go to `swift test`, for example --filter WorkerTests.
# Where tests fail, what failed is said once more at the end, before the runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests drive the debug programs as processes.
swift build --build-tests
output=$(mktemp "${TMPDIR:-/tmp}/wvs-test.XXXXXX")
trap 'rm -f "$output"' EXIT
# Three at a time: tests that time out, freeze and kill need a processor now and then.
status=0
swift test --skip-build --experimental-maximum-parallelization-width 3 "$@" 2>&1 | tee "$output" || status=$?
if ((status)); then
  printf '\nFailed:\n'
  grep -E -A 3 '✘ Test .*recorded an issue' "$output" || true
  grep -E '✘ Test run' "$output" || printf 'the run ended with status %d\n' "$status"
fi
exit "$status"
