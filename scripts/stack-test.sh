#!/usr/bin/env bash
# Proves of the scripts around the programs what a person relies on, with programs that were built before (WVS_BIN):
#   scripts/stack-test.sh interrupted     a demo that is broken off at any moment, or whose sidecar is killed, leaves nothing behind
#   scripts/stack-test.sh unprivileged    the demo runs as nobody, and as a root that may not mount; bootstrap says what is missing
#   scripts/stack-test.sh up              make up, the smoke test, make down; ports that are taken
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(realpath "${WVS_BIN:-bin}")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/wvs-stack-test.XXXXXX")
chmod 755 "$scratch"
# Below it everything is the test's own, whoever else runs stacks on this machine.
export TMPDIR=$scratch/tmp
mkdir -m 1777 "$TMPDIR"
children=() is_up=''

finish() {
  local status=$?
  trap '' INT TERM HUP
  set +e
  for child in "${children[@]}"; do kill -TERM "$child" 2> /dev/null && wait "$child"; done
  [ -z "$is_up" ] || scripts/stack.sh down >&2
  if [ "$status" != 0 ] && [ -e "$scratch/out" ]; then sed 's/^/  | /' "$scratch/out" >&2; fi
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

fail() { printf 'stack test: %s\n' "$*" >&2; exit 1; }
passed() { printf '  ✓ %s\n' "$*"; }
until_true() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" > /dev/null; do
    [ $SECONDS -lt $deadline ] || fail "no $what after 60 s"
    sleep 0.01
  done
}
says() { grep -qF -- "$1" "$scratch/out"; }

# The sessions of a process, or of this script; its stacks and demos have sessions of their own.
session() { ps -o sid= -p "$1" | tr -d ' '; }
strangers() {
  local pid
  grep -lszxF "TMPDIR=$TMPDIR" /proc/[0-9]*/environ | cut -d / -f 3 | while read -r pid; do
    [ "$(session "$pid")" = "$(session $$)" ] || ps -o pid=,args= -p "$pid"
  done
}

# Everything of a stack is below TMPDIR or was started with it.
expect_nothing_left() {
  local left
  left=$(
    strangers
    grep -F "$TMPDIR/" /proc/self/mountinfo
    grep -F "$TMPDIR/" /sys/block/loop*/loop/backing_file 2> /dev/null
    find "$TMPDIR" -mindepth 1
    while read -r cgroup; do [ ! -e "$cgroup" ] || echo "$cgroup"; done < "$scratch/cgroups"
  ) || true
  [ -z "$left" ] || fail "$1 left behind: $left"
}

# Starts the demo in a session and a process group of its own, as a shell in a terminal does.
start_demo() {
  : > "$scratch/out"
  : > "$scratch/cgroups"
  WVS_BIN=$bin setsid env --default-signal=INT,QUIT scripts/demo.sh > "$scratch/out" 2>&1 < /dev/null &
  demo=$!
  children=("$demo")
}

has_started() { grep -qs "^$1 " "$TMPDIR"/wvs-demo.*/pids; }
sidecar_note() { cat "$TMPDIR"/wvs-demo.*/state/*.json 2> /dev/null || true; }

# Breaks the demo off: SIGNAL, to the whole group as a terminal does it or to the script alone, once a condition holds.
interrupt() {
  local signal=$1 whom=$2 moment=$3 status=0
  shift 3
  start_demo
  until_true "moment '$moment'" "$@"
  sidecar_note | jq -r 'select(.made_cgroup) | .cgroup' >> "$scratch/cgroups"
  if [ "$whom" = group ]; then kill "-$signal" -- "-$demo"; else kill "-$signal" "$demo"; fi
  wait "$demo" || status=$?
  children=()
  [ "$status" = 130 ] || fail "SIG$signal, $moment: exit status $status"
  says "Nothing is left behind." || fail "SIG$signal, $moment: it does not say that nothing is left"
  expect_nothing_left "SIG$signal, $moment,"
  passed "SIG$signal to the $whom, $moment"
}

# Its agent is then nobody's child, in a cgroup that nobody removes.
kill_sidecar() {
  local status=0
  start_demo
  until_true "snapshot" says "3  A snapshot"
  sidecar_note > "$scratch/note"
  jq -r 'select(.made_cgroup) | .cgroup' "$scratch/note" > "$scratch/cgroups"
  kill -KILL "$(jq .pid "$scratch/note")"
  kill -TERM "$demo"
  wait "$demo" || status=$?
  children=()
  [ "$status" != 0 ] || fail "the demo passed without its sidecar"
  expect_nothing_left "the demo whose sidecar was killed"
  passed "sidecar killed"
}

interrupted() {
  interrupt INT group "when its folder is there" compgen -G "$TMPDIR/wvs-demo.*"
  interrupt INT group "while PostgreSQL starts" has_started postgres
  interrupt TERM script "while the executor starts" has_started executor
  interrupt INT group "while the agent starts" has_started agent
  interrupt HUP group "at the snapshot" says "3  A snapshot"
  interrupt TERM script "before the rollback" says "important.txt is deleted"
  kill_sidecar
}

# Runs the demo by a command's rights, from a copy that everybody may read.
demo_as() {
  local who=$1 reason=$2
  shift 2
  : > "$scratch/cgroups"
  (cd "$scratch/copy" && exec setsid "$@" env TMPDIR="$TMPDIR" WVS_BIN=bin scripts/demo.sh) > "$scratch/out" 2>&1 < /dev/null ||
    fail "the demo as $who: exit status $?"
  says "$reason, so a plain folder and the copy engine" || fail "the demo as $who: it does not say '$reason'"
  expect_nothing_left "the demo as $who"
  passed "the demo as $who: $(grep -o 'frozen by [a-z0-9]*' "$scratch/out")"
}

# bootstrap_says SENTENCE COMMAND...: it exits 2 with that sentence.
bootstrap_says() {
  local sentence=$1 status=0
  shift
  "$@" "$scratch/copy/scripts/bootstrap.sh" > "$scratch/out" 2>&1 || status=$?
  [ "$status" = 2 ] || fail "bootstrap: exit status $status instead of 2"
  says "$sentence" || fail "bootstrap does not say '$sentence'"
  passed "bootstrap: $sentence"
}

# A program of that name that prints a text, first in the PATH.
pretend() {
  mkdir -p "$scratch/path"
  printf '#!/bin/sh\necho "%s"\n' "$2" > "$scratch/path/$1"
  chmod 755 "$scratch/path/$1"
}

unprivileged() {
  local program
  [ "$(id -u)" = 0 ] || fail "only root can become nobody"
  mkdir -p "$scratch/copy/bin"
  cp -r scripts deploy migrations "$scratch/copy"
  for program in wvs-api wvs-worker wvs-executor wvs-migrate wvs-sidecar wvsctl demo-agent; do
    cp "$bin/$program" "$scratch/copy/bin"
  done
  demo_as nobody "not root" runuser -u nobody --
  demo_as "a root that may not mount" "nothing can be mounted here (permission denied)" \
    setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin

  mkdir "$scratch/none"
  for program in bash dirname env; do ln -s "$(command -v "$program")" "$scratch/none/$program"; done
  bootstrap_says "Swift 6.2 or newer is needed and is not a Debian package" env PATH="$scratch/none"
  pretend swift "Swift version 5.10.1 (swift-5.10.1-RELEASE)"
  bootstrap_says "path/swift is 5.10" env PATH="$scratch/path:$PATH"
  pretend swift "Swift version 6.10 (swift-6.10-RELEASE)"
  pretend dpkg-query "unknown ok not-installed"
  bootstrap_says "apt-get install --yes --no-install-recommends build-essential" runuser -u nobody -- env PATH="$scratch/path:$PATH"
}

# Somebody else's server on the ports that the stack would take.
take_ports() {
  python3 -c '
import signal, socket
held = []
for port in (8080, 8428):
    try:
        held.append(socket.create_server(("127.0.0.1", port)))
    except OSError:
        pass  # somebody has it already
print("held", flush=True)
signal.pause()' > "$scratch/held" &
  children+=("$!")
  until_true "taken port" grep -q held "$scratch/held"
}

has_api() { grep -qs "^api " "$TMPDIR"/wvs-up-*/pids; }

# A stack that was to stay, broken off while it starts.
interrupt_up() {
  local status=0
  WVS_BIN=$bin setsid env --default-signal=INT,QUIT scripts/stack.sh up > "$scratch/out" 2>&1 < /dev/null &
  children+=("$!")
  is_up=1
  until_true "api" has_api
  kill -INT -- "-$!"
  wait "$!" || status=$?
  unset 'children[-1]'
  [ "$status" != 0 ] || fail "an interrupted make up: exit status 0"
  is_up=''
  expect_nothing_left "an interrupted make up"
  passed "up interrupted"
}

up() {
  : > "$scratch/cgroups"
  take_ports
  interrupt_up
  is_up=1
  WVS_BIN=$bin setsid scripts/stack.sh up > "$scratch/out" 2>&1 < /dev/null || fail "make up: exit status $?"
  # The addresses that it tells a person to use.
  eval "$(grep 'export WVS_API_URL' "$scratch/out")"
  passed "up beside servers on 8080 and 8428: $WVS_API_URL, $WVS_METRICS_URL"
  WVSCTL=$bin/wvsctl scripts/smoke-test.sh > "$scratch/out" 2>&1 < /dev/null || fail "the smoke test: exit status $?"
  passed "smoke test: $(tail -n 1 "$scratch/out")"
  if scripts/stack.sh up > "$scratch/out" 2>&1; then fail "a second stack came up"; fi
  says "a stack is up already" || fail "a second stack is refused with other words"
  passed "a second stack is refused"
  scripts/stack.sh down > "$scratch/out" 2>&1 || fail "make down: exit status $?"
  is_up=''
  says "nothing is left of it" || fail "make down does not say that nothing is left"
  expect_nothing_left "make down"
  passed "down"
}

case "${1:-}" in
  interrupted | unprivileged | up) "$1" ;;
  *) echo "usage: scripts/stack-test.sh interrupted|unprivileged|up" >&2; exit 2 ;;
esac
