#!/usr/bin/env bash
# Measures what the project promises, each figure beside what it is compared to, interleaved in one run: make bench.
# Needs root, for XFS on a loop device and for cgroups.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stack-lib.sh
. scripts/stack-lib.sh

as_root || { echo "bench: needs root, for a file system with reflinks and for cgroups" >&2; exit 2; }
scripts/bootstrap.sh --bench
bin=$(realpath "${WVS_BIN:-bin}")
dir=''
trap 'stack_stop "$dir" || exit 1' EXIT
stack_signals
stack_scratch bench

# A folder instead would measure something else.
STACK_FILE_SYSTEM=xfs stack_start "$dir" "$bin"
gcc -O2 -o "$dir/bin/c2" scripts/bench/c2.c -lpthread
python3 scripts/bench/bench.py --bin "$bin" --c2 "$dir/bin/c2" --mount "$MOUNT" --api "$API_URL" \
  --dsn "$DSN" --pgbin "$(postgres_bin)" "$@"
