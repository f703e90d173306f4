#!/usr/bin/env bash
# The main job, told step by step: a snapshot and a rollback of an agent that never stops writing. Everything lives below a
# scratch folder and is gone at the end, whatever happens. Exit status 0 only if every proof held and nothing is left.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stack-lib.sh
. scripts/stack-lib.sh

bin=$(realpath "${WVS_BIN:-bin}")
ws=demo
dir=''
failures=0
# A signal may come within a command whose output goes elsewhere.
exec {screen}>&1

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' off=$'\e[0m'
else
  bold='' dim='' green='' red='' off=''
fi

step() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
say() { printf '  %s\n' "$*"; }
note() { printf '  %s%s%s\n' "$dim" "$*" "$off"; }
# proof SENTENCE COMMAND...: the sentence holds if the command succeeds.
proof() {
  local sentence=$1
  shift
  if "$@"; then
    printf '  %s✓%s %s\n' "$green" "$off" "$sentence"
  else
    printf '  %s✗ %s%s\n' "$red" "$sentence" "$off"
    failures=$((failures + 1))
  fi
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

finish() {
  local status=$? seconds left='Nothing is left behind.' log
  trap - EXIT
  trap '' INT TERM HUP PIPE
  set +e
  exec 1>&"$screen" 2>&"$stack_errors"
  seconds=$((($(milliseconds) - started) / 1000))
  if [ "$status" != 0 ] && [ "$status" != 130 ] && [ "$failures" = 0 ] && [ -d "$dir/log" ]; then
    printf '\n%sThe demo broke off. What the programs logged last:%s\n' "$red" "$off" >&2
    for log in "$dir"/log/*.log; do
      [ -e "$log" ] || continue
      printf -- '-- %s\n' "$(basename "$log")" >&2
      tail -n 3 "$log" >&2
    done
  fi
  # Said only once it has been looked for.
  stack_stop "$dir" || { left='' status=1; }
  if [ "$failures" -gt 0 ]; then
    printf '\n%s%d proofs failed.%s %s\n' "$red" "$failures" "$off" "$left"
  else
    case $status in
      0) printf '\n%sEvery proof held%s, after %d s. %s\n' "$green" "$off" "$seconds" "$left" ;;
      130) printf '\nInterrupted. %s\n' "$left" ;;
      *) printf '\n%sThe demo did not come to its end.%s %s\n' "$red" "$off" "$left" ;;
    esac
  fi
  exit "$status"
}
started=$(milliseconds)
trap finish EXIT
stack_signals

# Asks for something and waits for its end; sets `answer`. In the background: a signal waits for what is in the foreground.
act() {
  ctl "$@" --wait --timeout 1m > "$dir/answer" &
  wait "$!" || return
  answer=$(< "$dir/answer")
}
ctl() { local noun=$1 verb=$2; shift 2; "$bin/wvsctl" "$noun" "$verb" "$@" --api-url "$API_URL"; }
query() { "$(postgres_bin)/psql" -X -q -A -t -F '  ' -d "$DSN" -c "$1"; }
tree() { readlink "$MOUNT/$ws/current"; }
# Completed steps of all ledgers in a tree.
steps() { awk '{ sum += $1 } END { print sum + 0 }' "$1"/ledger-*/done 2> /dev/null || echo 0; }
steps_now() { steps "$MOUNT/$ws/$(tree)"; }
is_writing() { [ "$(steps_now)" -gt 100 ]; }
gap_since() {
  # The longest pause that the agent itself noticed, in ms, since a point of time (µs).
  awk -v from="$1" '$1 >= from && $2 > longest { longest = $2 } END { printf "%.1f", longest / 1000 }' "$dir/ticker/gaps"
}
snapshot_row() { query "SELECT count(*) FROM wvs.snapshots WHERE snapshot_id = '$1' AND deleted_at IS NULL"; }
holds() { jq -e "$1" <<< "$2" > /dev/null; }
refuses() { ! "$@" > /dev/null 2>&1; }

stack_scratch demo
step "1  A stack of its own"
note "below $dir; nothing else on this machine is touched"
stack_start "$dir" "$bin"
if [ "$ENGINE" = reflink ]; then
  say "PostgreSQL, XFS with reflinks on a loop image, wvs-api, wvs-worker, wvs-executor"
else
  say "PostgreSQL, wvs-api, wvs-worker, wvs-executor; $ENGINE_REASON, so a plain folder and the copy engine"
fi
say "up after $(($(milliseconds) - started)) ms, API at $API_URL"

step "2  A workspace, and an agent that works in it"
if as_root; then uid=1000 gid=1000; else uid=$(id -u) gid=$(id -g); fi
act workspace create "$ws" --owner you --uid "$uid" --gid "$gid"
proof "workspace $ws is ACTIVE" grep -q ACTIVE <(ctl workspace get "$ws")
mkdir "$dir/ticker"
user=()
if as_root; then
  chown "$uid:$gid" "$dir/ticker"
  user=(--user "$uid:$gid")
fi
stack_spawn "$dir" agent "$bin/wvs-sidecar" run --workspace "$MOUNT/$ws" "${user[@]}" -- \
  "$dir/bin/demo-agent" run --workspace "$MOUNT/$ws" --threads 2 --children --ticker "$dir/ticker/gaps"
wait_for "the agent to write" is_writing
before=$(steps_now)
sleep 1
say "the agent writes $(($(steps_now) - before)) steps a second into three ledgers of 21 files each,"
say "with appends, renames and mapped memory; one ledger is written by short-lived children"
install -o "$uid" -g "$gid" -m 0644 <(echo "the one file that must not get lost") "$MOUNT/$ws/$(tree)/important.txt"

step "3  A snapshot while it writes"
from=$(date +%s%6N)
begin=$(milliseconds)
act snapshot create "$ws" -m "before the experiment" --json
snapshot=$answer
took=$(($(milliseconds) - begin))
id=$(jq -r .snapshot_id <<< "$snapshot")
ack=$(jq -c '.receipt.acknowledgements[0]' <<< "$snapshot")
say "snapshot $id after $took ms: $(jq -r .entries <<< "$snapshot") entries, engine $(jq -r .engine <<< "$snapshot")"
say "frozen by $(jq -r .method <<< "$ack"): $(jq -r .processes <<< "$ack") processes, $(jq -r .threads <<< "$ack") threads, $(jq -r .flushed_files <<< "$ack") open files flushed"
say "the agent stood still for $(jq -r '.receipt.window_ms * 10 | round / 10' <<< "$snapshot") ms; its own 1 kHz clock says $(gap_since "$from") ms"
proof "the sidecar vouches for the standstill to the end (held, $(jq -r .receipt.consistency <<< "$snapshot"))" \
  holds '.receipt.acknowledgements | length > 0 and all(.held)' "$snapshot"
frozen=$MOUNT/$ws/snapshots/$id
report=$("$dir/bin/demo-agent" verify "$frozen") && consistent=true || consistent=false
proof "the snapshot is consistent: ${report##*$'\n'}" "$consistent"
proof "the live tree has moved on: $(steps "$frozen") steps in the snapshot, $(steps_now) now" \
  test "$(steps_now)" -gt "$(steps "$frozen")"
cp -a "$MOUNT/$ws/$(tree)" "$dir/plain-copy" 2> /dev/null || true
report=$("$dir/bin/demo-agent" verify "$dir/plain-copy" 2>&1) || true
note "for comparison, cp -a of the live tree at the same time: ${report##*$'\n'}"
rm -rf "$dir/plain-copy"

step "4  The experiment goes wrong; roll back"
sleep 2
rm "$MOUNT/$ws/$(tree)/important.txt"
say "important.txt is deleted, and the agent has written $(($(steps_now) - $(steps "$frozen"))) steps since the snapshot"
old=$(tree)
from=$(date +%s%6N)
begin=$(milliseconds)
act current set "$ws" "$id" --yes --json
rollback=$answer
say "rolled back after $(($(milliseconds) - begin)) ms: the agent stood still for $(jq -r '.receipt.window_ms * 10 | round / 10' <<< "$rollback") ms; its own clock says $(gap_since "$from") ms"
proof "current points to a new tree: $(tree)" test "$(tree)" != "$old"
proof "important.txt is back, byte for byte" cmp -s "$frozen/important.txt" "$MOUNT/$ws/current/important.txt"
now=$(steps_now)
proof "the ledgers are back at step $now, close to the snapshot's $(steps "$frozen"); the old tree is at $(steps "$MOUNT/$ws/$old")" \
  test "$now" -lt "$(steps "$MOUNT/$ws/$old")"
is_writing_again() { [ "$(steps_now)" -gt $(($(steps "$frozen") + 100)) ]; }
proof "the agent works on, in the new tree" wait_for "the agent to go on" is_writing_again

step "5  A second snapshot, and its end"
act snapshot create "$ws" -m "not needed" --json
second=$(jq -r .snapshot_id <<< "$answer")
ctl snapshot list "$ws" | sed 's/^/  /'
proof "the snapshot that is current cannot be dropped" refuses act snapshot drop "$ws" "$id" --yes
act snapshot drop "$ws" "$second" --yes
gone() { [ ! -e "$MOUNT/$ws/snapshots/$second" ]; }
proof "the second snapshot is dropped: its folder is gone" wait_for "the deletion" gone
proof "and so is its row" test "$(snapshot_row "$second")" = 0

step "6  What was recorded"
query "SELECT op, status, 'attempt ' || attempt, round(extract(epoch FROM ended_at - created_at) * 1000) || ' ms'
       FROM wvs.tasks ORDER BY created_at" | column -t -s ' ' | sed 's/^/  /'
note "audit trail:"
query "SELECT to_char(ts, 'HH24:MI:SS.MS'), action, coalesce(payload->'after'->>'status', ''), right(request_id, 12)
       FROM wvs.audit ORDER BY event_id" | sed 's/^/  /'
proof "every task ended SUCCEEDED" test "$(query "SELECT count(*) FROM wvs.tasks WHERE status <> 'SUCCEEDED'")" = 0

[ "$failures" = 0 ]
