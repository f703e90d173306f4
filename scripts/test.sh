#!/usr/bin/env bash
# Builds and runs all tests. Arguments go to `swift test`, for example --filter WorkerTests.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests drive the debug programs as processes.
swift build --build-tests
# Three at a time: tests that time out, freeze and kill need a processor now and then.
exec swift test --skip-build --experimental-maximum-parallelization-width 3 "$@"
