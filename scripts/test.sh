#!/usr/bin/env bash
# Builds and runs all tests. Arguments go to `swift test`, for example --filter WorkerTests.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests drive the debug programs as processes.
swift build --build-tests
exec swift test --skip-build "$@"
