#!/usr/bin/env bash
# A stack that keeps running: scripts/stack.sh up | down (make up, make down).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stack-lib.sh
. scripts/stack-lib.sh

dir=${TMPDIR:-/tmp}/wvs-up-$(id -u)
bin=${WVS_BIN:-bin}

# Whether nobody listens on a port of 127.0.0.1.
is_free() { ! (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# Sets api_port and metrics_port: what the caller wants, else the usual ones, else others that are free.
choose_ports() {
  api_port=${WVS_PORT:-8080} metrics_port=${WVS_METRICS_PORT:-8428}
  # Any free one.
  if [ -z "${WVS_PORT:-}" ] && ! is_free 8080; then api_port=0; fi
  # A pair: the store's and vmagent's.
  while [ -z "${WVS_METRICS_PORT:-}" ] && ! { is_free "$metrics_port" && is_free $((metrics_port + 1)); }; do
    metrics_port=$((metrics_port + 10))
  done
}

broke_off() {
  local status=$?
  # A signal may come within a command whose output goes elsewhere.
  exec 2>&"$stack_errors"
  stack_stop "$dir" && echo "WVS is not up; nothing is left of it." >&2
  exit "$status"
}

up() {
  local api_port metrics_port
  stack_signals
  stack_hold
  if ! mkdir "$dir" 2> /dev/null; then
    echo "a stack is up already, or was not taken down: make down" >&2
    exit 1
  fi
  # What was started goes down again if the rest does not come up.
  trap broke_off EXIT
  stack_release
  choose_ports
  WVS_PORT=$api_port stack_start "$dir" "$(realpath "$bin")"
  # Workspaces without an agent are answered for by the node's sidecar.
  stack_spawn "$dir" sidecar "$(realpath "$bin")/wvs-sidecar" node --root "$MOUNT"
  stack_metrics "$dir" "$metrics_port"
  trap - EXIT
  cat <<TEXT
WVS is up.

  API         $API_URL
  metrics     http://$(listening "$dir" api metrics)/metrics  http://$(listening "$dir" worker metrics)/metrics  http://$(listening "$dir" executor metrics)/metrics
  workspaces  $MOUNT ($ENGINE${ENGINE_REASON:+: $ENGINE_REASON})
  store       $METRICS_URL (PromQL, for wvsctl obs)
  database    psql '$DSN'
  logs        $dir/log

Try:
  export WVS_API_URL=$API_URL WVS_METRICS_URL=$METRICS_URL
  $bin/wvsctl workspace create ws-1 --owner me --wait
  $bin/wvsctl snapshot create ws-1 -m 'my first' --wait
  $bin/wvsctl obs summary

make down ends it.
TEXT
}

case "${1:-}" in
  up) up ;;
  down)
    if [ ! -e "$dir" ]; then echo "no stack is up"; exit 0; fi
    # Its name is known to everybody, and what it says is ended.
    if [ -L "$dir" ] || [ ! -O "$dir" ]; then echo "$dir is not yours" >&2; exit 1; fi
    stack_stop "$dir" || exit 1
    echo "WVS is down; nothing is left of it."
    ;;
  *) echo "usage: scripts/stack.sh up|down" >&2; exit 2 ;;
esac
