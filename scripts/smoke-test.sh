#!/usr/bin/env bash
# The acceptance of a running WVS, through wvsctl (seeds 12): scripts/smoke-test.sh
#   WVS_API_URL      the API [http://127.0.0.1:8080]
#   WVS_METRICS_URL  the metrics store, for step 8 [http://127.0.0.1:8428]
#   WVSCTL           the program [bin/wvsctl]
# Needs a sidecar that answers for workspaces without an agent (wvs-sidecar node), as the stacks of this project have.
set -euo pipefail
cd "$(dirname "$0")/.."

wvsctl=${WVSCTL:-bin/wvsctl}
export WVS_API_URL=${WVS_API_URL:-http://127.0.0.1:8080}
wsid=smoke-test-$(date +%s)-$$

step() { printf '== %s\n' "$*"; }
fail() { printf 'smoke test: %s\n' "$*" >&2; exit 1; }
# The value of a member of what a command answers.
member() { local name=$1; shift; "$wvsctl" "$@" --output json | jq -r ".$name"; }
expect() { [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"; }

step "1 create a workspace"
"$wvsctl" workspace create "$wsid" --owner smoke-test --wait > /dev/null
expect "the workspace's state" "$(member state workspace get "$wsid")" ACTIVE

step "2 create a snapshot"
first=$(member snapshot_id snapshot create "$wsid" -m "smoke test snapshot" --wait)

step "3 list snapshots"
"$wvsctl" snapshot list "$wsid" --output name | grep -qx "$first" || fail "snapshot $first is not in the list"

step "4 set current"
"$wvsctl" current set "$wsid" "$first" --yes --wait > /dev/null
expect "the current snapshot" "$(member current_snapshot_id current get "$wsid")" "$first"

step "5 create a second snapshot"
second=$(member snapshot_id snapshot create "$wsid" -m "to be dropped" --wait)

step "6 drop it"
"$wvsctl" snapshot drop "$wsid" "$second" --yes --wait > /dev/null
if "$wvsctl" snapshot list "$wsid" --output name | grep -qx "$second"; then fail "snapshot $second is still in the list"; fi
refused=0
"$wvsctl" snapshot drop "$wsid" "$first" --yes --wait > /dev/null 2>&1 || refused=$?
expect "the exit status of dropping the current snapshot" "$refused" 5

step "7 query tasks"
expect "the number of tasks" "$("$wvsctl" task list --wsid "$wsid" --output name | wc -l)" 5
expect "the number of those that succeeded" \
  "$("$wvsctl" task list --wsid "$wsid" --status SUCCEEDED --output name | wc -l)" 5

step "8 observe"
observed() { [ "$(member task_success_rate obs summary 2> /dev/null)" != null ]; }
# Metrics are scraped every 15 s, and a rate needs two of them.
for _ in $(seq 60); do
  if observed; then break; fi
  sleep 1
done
"$wvsctl" obs summary | grep task_success_rate
observed || fail "the metrics store has no data after 60 s"

step "9 disable the workspace"
"$wvsctl" workspace disable "$wsid" --yes > /dev/null
expect "the workspace's state" "$(member state workspace get "$wsid")" DISABLED

echo "All nine steps passed, in workspace $wsid."
