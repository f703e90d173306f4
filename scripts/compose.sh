#!/usr/bin/env bash
# The local compose stack: scripts/compose.sh smoke (make smoke-test): brings it up, runs the smoke test, takes it down.
# Where no Docker daemon answers, root gets a private one for that time.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/docker-lib.sh
. scripts/docker-lib.sh

[ "${1:-}" = smoke ] || { echo "usage: scripts/compose.sh smoke" >&2; exit 2; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/wvs-compose.XXXXXX")
project=wvs-smoke-$$
compose() { docker-compose -p "$project" -f deploy/compose/docker-compose.local.yml "$@"; }

finish() {
  local status=$?
  trap '' INT TERM HUP
  if [ "$status" != 0 ]; then compose logs --no-color --tail 20 >&2 || true; fi
  compose down --volumes --timeout 20 > /dev/null 2>&1 || true
  docker_stop "$dir"
  rm -rf "$dir"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

docker_start "$dir"
for file in deploy/compose/docker-compose*.yml; do docker-compose -f "$file" config --quiet; done
scripts/images.sh
# With cgroup v1 the freezer is a hierarchy of its own.
if [ -d /sys/fs/cgroup/freezer ]; then export WVS_CGROUP_ROOT=${WVS_CGROUP_ROOT:-/sys/fs/cgroup/freezer}; fi
compose up --detach
is_healthy() { ! docker ps --filter "label=com.docker.compose.project=$project" --format '{{.Status}}' | grep -qE 'starting|unhealthy|Restarting'; }
tries=0
until is_healthy; do
  tries=$((tries + 1))
  if [ "$tries" -gt 120 ]; then echo "not every service is healthy:" >&2; compose ps >&2; exit 1; fi
  sleep 0.5
done
compose ps
WVSCTL=${WVSCTL:-bin/wvsctl} scripts/smoke-test.sh
# The workspace with an agent, which its sidecar freezes from another container.
snapshot=$(${WVSCTL:-bin/wvsctl} snapshot create demo -m smoke --wait --json)
jq -r '.receipt | "agent: \(.consistency), frozen \(.window_ms * 10 | round / 10) ms by \(.acknowledgements[0].method)"' <<< "$snapshot"
jq -e '.receipt.consistency == "quiesced"' <<< "$snapshot" > /dev/null ||
  echo "note: the agent's snapshot is best_effort here" >&2
