#!/usr/bin/env bash
# Makes the pictures of the documents: scripts/screenshots.sh FOLDER (make screenshots: docs/images)
#   demo.png   the whole of scripts/demo.sh
#   top.png    wvsctl top before a stack at work
# Both programs run in a terminal of tmux; what it shows is drawn as it is, by scripts/render-terminal.py.
#   WVS_BIN    the programs [bin]
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/screenshots.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stack-lib.sh
. scripts/stack-lib.sh

bin=$(realpath "${WVS_BIN:-bin}")
dir=$(mktemp -d "${TMPDIR:-/tmp}/wvs-screenshots.XXXXXX")
terminal() { tmux -S "$dir/terminal" -f /dev/null "$@"; }
finish() {
  local status=$?
  trap '' INT TERM HUP
  terminal kill-server 2> /dev/null || true
  stack_stop "$dir/stack"
  rm -rf "$dir"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# open COLUMNS LINES COMMAND...: the command's terminal, which stays when it has ended.
open() {
  local columns=$1 lines=$2
  shift 2
  LANG=C.UTF-8 terminal new-session -d -x "$columns" -y "$lines" \; set-option -g remain-on-exit on \; \
    respawn-pane -k "env TERM=screen-256color LANG=C.UTF-8 $*"
}
shot() { terminal capture-pane -e -p -N | grep -v '^Pane is dead' | /usr/bin/python3 scripts/render-terminal.py "$1" "$folder/$2"; }
# shows PATTERN: the terminal does, within a minute.
shows() {
  local tries=0
  until terminal capture-pane -p | grep -q "$1"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ]; then echo "the terminal never showed '$1'; it shows:" >&2; terminal capture-pane -p >&2; return 1; fi
    sleep 0.1
  done
}

echo "demo.png"
open 112 90 WVS_BIN="$bin" scripts/demo.sh
shows 'Every proof held'
shot 'make demo' demo.png
terminal kill-server

echo "top.png"
# PostgreSQL's user has to get through.
chmod 755 "$dir"
mkdir "$dir/stack"
stack_start "$dir/stack" "$bin"
ctl() { "$bin/wvsctl" "$@" --api-url "$API_URL" > "$dir/stack/log/ctl.out" 2> "$dir/stack/log/ctl.err"; }
stack_spawn "$dir/stack" node "$bin/wvs-sidecar" node --root "$MOUNT"
for wsid in build-bot research-7 research-8 reviewer; do
  ctl workspace create "$wsid" --owner "${wsid%%-*}" --uid 1000 --gid 1000 --wait
done
user=()
if as_root; then user=(--user 1000:1000); fi
stack_spawn "$dir/stack" agent "$bin/wvs-sidecar" run --workspace "$MOUNT/research-7" "${user[@]}" -- \
  "$dir/stack/bin/demo-agent" run --workspace "$MOUNT/research-7" --threads 2 --children
has_agent() { compgen -G "$MOUNT/research-7/current/ledger-*/done" > /dev/null; }
wait_for "the agent" has_agent
for message in 'before the experiment' 'parser rewritten' 'tests green'; do
  ctl snapshot create research-7 -m "$message" --wait
  ctl snapshot create build-bot -m "$message" --wait
done
ctl snapshot list research-7 -o name
ctl current set research-7 "$(tail -n 1 "$dir/stack/log/ctl.out")" --wait --yes
# Nobody answers for a workspace whose node is gone: its snapshot waits.
read -r _ node _ < <(grep '^node ' "$dir/stack/pids")
kill "$node"
ctl snapshot create reviewer -m 'nightly'
ctl snapshot create reviewer -m 'release'
open 100 30 "$bin/wvsctl" top --api-url "$API_URL"
shows research-7
# To research-7, third from the top.
terminal send-keys j j
shows 'SNAPSHOTS OF research-7 3'
shows 'RUNNING'
# Its sparklines need some looks.
sleep 12
shot 'wvsctl top' top.png
# What still waits would keep the executor from ending.
ctl task list --wsid reviewer --limit 2 -o name
mapfile -t waiting < "$dir/stack/log/ctl.out"
for id in "${waiting[@]}"; do ctl task cancel "$id" --wait; done
