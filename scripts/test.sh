#!/usr/bin/env bash
# Builds and runs all tests. Arguments go to `swift test`, for example --filter WorkerTests.
#
# Where tests fail, what failed is said once more at the end, before the runner's own summary. In CI up to three failed
# tests are run again, alone: freezes, leases and kills have deadlines, which a busy machine may miss. Who fails again has
# failed; who does not is named. There no test may be skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests drive the debug programs as processes.
swift build --build-tests
# Now and then SwiftPM makes these for their owner and group alone; the agents of tests are other users.
chmod a+rx .build .build/*-linux-gnu .build/*-linux-gnu/debug
dir=$(mktemp -d "${TMPDIR:-/tmp}/wvs-test.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# run NAME ARGUMENT...: keeps what was printed in NAME.log, and the results in NAME.xml.
run() {
  local name=$1
  shift
  swift test --skip-build --disable-xctest --xunit-output "$dir/$name.xml" "$@" 2>&1 | tee "$dir/$name.log"
}

# The functions that failed, one a line; nothing where the run did not come to its end.
failed_tests() {
  python3 - "$dir/all.xml" <<'PYTHON'
import sys, xml.etree.ElementTree
try:
    cases = xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase")
except (OSError, xml.etree.ElementTree.ParseError):
    sys.exit()
for name in sorted({case.get("name") for case in cases if case.find("failure") is not None}):
    print(name)
PYTHON
}

status=0
# Three at a time: tests that time out, freeze and kill need a processor now and then.
run all --experimental-maximum-parallelization-width 3 "$@" || status=$?
if ((status)); then
  printf '\nFailed:\n'
  grep -E -A 3 '✘ Test .*recorded an issue' "$dir/all.log" || true
  mapfile -t failed < <(failed_tests)
  issues=$(grep -cE '✘ Test «unknown» recorded an issue' "$dir/all.log" || true)
  if [ -n "${CI:-}" ] && ((${#failed[@]} >= 1 && ${#failed[@]} <= 3 && issues == 0)); then
    printf '\nAgain, alone: %s\n' "${failed[*]}"
    filters=()
    for name in "${failed[@]}"; do filters+=(--filter "/${name%%(*}\\("); done
    status=0
    run again --no-parallel "${filters[@]}" || status=$?
    ((status)) || printf '\nPassed only alone: %s\n' "${failed[*]}"
  fi
fi
if [ -n "${CI:-}" ] && grep -E '^➜ .* skipped' "$dir/all.log" > "$dir/skipped"; then
  printf '\nSkipped, and in CI none may be:\n'
  cat "$dir/skipped"
  status=1
fi
last=$dir/all.log
[ ! -e "$dir/again.log" ] || last=$dir/again.log
grep -E '(✔|✘) Test run with' "$last" || printf 'the run ended with status %d\n' "$status"
exit "$status"
