#!/usr/bin/env bash
# The local compose stack, tried: brings it up, runs the smoke test on it, freezes its agent, kills what an operator's machine may
# lose, and takes it down in order.
#   scripts/compose.sh smoke    (make smoke-test) builds the images first; where no Docker daemon answers root gets a private one
#   scripts/compose.sh check    with the images and the daemon that are there
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'compose: %s\n' "$*" >&2; exit 1; }

dir=
child=
stop_child() {
  if [ "$child" ]; then
    kill -TERM "$child" 2> /dev/null || true
    wait "$child" || true
  fi
  [ ! "$dir" ] || rm -rf "$dir"
}
trap stop_child EXIT
trap 'exit 130' INT TERM HUP
# In the background: a signal to this script is heard at once.
run() { "$@" & child=$!; wait "$child"; child=; }

case "${1:-}" in
  smoke)
    if docker info > /dev/null 2>&1; then
      run scripts/images.sh
      run "$0" check
    else
      echo "compose: no Docker daemon answers; a private one is started" >&2
      dir=$(mktemp -d "${TMPDIR:-/tmp}/wvs-compose.XXXXXX")
      run scripts/private-docker.sh "$dir" scripts/images.sh
      run scripts/private-docker.sh --own-network "$dir" "$0" check
    fi
    exit
    ;;
  check) ;;
  *) echo "usage: scripts/compose.sh smoke|check" >&2; exit 2 ;;
esac

wvsctl=${WVSCTL:-bin/wvsctl}
project=wvs-smoke-$$
# Within the cgroup of a private daemon, which is removed with it. With the systemd driver a parent is a slice.
export WVS_AGENT_CGROUP=${DOCKER_CGROUP:+/$DOCKER_CGROUP}/wvs-agent
[ "$(docker info --format '{{.CgroupDriver}}')" != systemd ] || export WVS_AGENT_CGROUP=wvsagent.slice
for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/freezer; do
  # The first that freezes; with both versions mounted Docker puts its containers into either.
  if [ -e "$root/cgroup.controllers" ] || [ "$root" = /sys/fs/cgroup/freezer ]; then export WVS_CGROUP_ROOT=$root && break; fi
done

compose() { docker-compose -p "$project" -f deploy/compose/docker-compose.local.yml "$@"; }
container() { docker ps --all --quiet --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"; }
containers() { docker ps --all --filter "label=com.docker.compose.project=$project" "$@"; }

finish() {
  local status=$?
  trap '' INT TERM HUP
  stop_child
  if [ "$status" != 0 ]; then
    containers >&2 || true
    compose logs --no-color --tail 10 >&2 || true
  fi
  compose down --volumes --timeout 20 > /dev/null 2>&1 || true
  exit "$status"
}
trap finish EXIT

# Waits for a condition, two minutes at most.
await() {
  local what=$1 tries=0
  shift
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -le 240 ] || fail "$what: not within two minutes"
    sleep 0.5
  done
}
is_settled() { ! containers --format '{{.Status}}' | grep -qE 'starting|unhealthy|Restarting|Created'; }

# A snapshot of the workspace with an agent, which its cgroup must have held still for all of it. With cgroup v1 alone that is no
# proof: the sidecar cannot see whether a process of another namespace is in that cgroup too.
snapshot_agent() {
  local receipt
  receipt=$("$wvsctl" snapshot create demo -m smoke --wait --json | jq -c .receipt)
  jq -r '"agent: \(.consistency), frozen \(.window_ms * 10 | round / 10) ms by \(.acknowledgements[0].method)"' <<< "$receipt"
  jq -e '.acknowledgements | length == 1 and all(.held and (.method == "cgroup1" or .method == "cgroup2" and .consistency == "quiesced"))' \
    <<< "$receipt" > /dev/null || fail "the agent was not frozen as it should have been: $receipt"
}

for file in deploy/compose/docker-compose*.yml; do docker-compose -f "$file" config --quiet; done
run compose up --detach
await "every service is healthy" is_settled
containers --format '{{.Names}}\t{{.Status}}' | expand -t 40
WVSCTL=$wvsctl run scripts/smoke-test.sh
snapshot_agent
for service in agent sidecar executor; do
  # Docker does not start by itself what it was told to kill.
  docker kill --signal KILL "$(container "$service")" > /dev/null
  docker start "$(container "$service")" > /dev/null
  await "every service is healthy again" is_settled
  snapshot_agent
done

run compose stop
# 143: what ends by SIGTERM itself has nothing to put in order.
containers --format '{{.Names}} {{.Status}}' | grep -vE 'Exited \((0|143)\)' && fail "a service did not end in order"
echo "Every service ended in order."
