#!/usr/bin/env bash
# Checks the models of the quiesce protocol in sidecar/model with spin: every property over all states, and that every rule that
# is taken away is missed.
#   scripts/model.sh              all of it, in about a minute
#   scripts/model.sh --large      two larger state spaces besides; minutes, and up to 3 GB of memory
#   scripts/model.sh --show NAME  the shortest counterexample found to a mutation, step by step (for example BUG_NO_FLUSH)
set -euo pipefail
cd "$(dirname "$0")/../sidecar/model"

# name | model | macros | claim (empty: safety) | holds or fails
# "holds" must be proved over every reachable state; "fails" must end in a violated assertion or in a cycle without progress.
runs=(
  "two executors, a sidecar killed|quiesce|EXECUTORS=2 DEATHS||holds"
  "lost locks, a sidecar killed|quiesce|LOST_LOCKS=1 DEATHS||holds"
  "two executors, lost locks|quiesce|EXECUTORS=2 SIDECARS=1 LOST_LOCKS=1||holds"
  "agents are thawed: hangs|quiesce|LIVENESS HANGS|thawed_0|holds"
  "agents are thawed: a sidecar killed|quiesce|LIVENESS HANGS SIDECARS=1 DEATHS|thawed_0|holds"
  "requests end: hangs|quiesce|LIVENESS HANGS|ends|holds"
  "requests end: a sidecar killed|quiesce|LIVENESS HANGS SIDECARS=1 DEATHS|ends|holds"
  "a sidecar comes during a freeze|newcomer|||holds"
  "its agent is started at last|newcomer|LIVENESS|starts|holds"
  "set_current|switch|||holds"
  "set_current: the agent is thawed|switch|LIVENESS|thawed|holds"
  "PROBE_PUBLISHES|quiesce|EXECUTORS=2 SIDECARS=1 LOST_LOCKS=1||fails"
  "BUG_NO_FLUSH|quiesce|||fails"
  "BUG_NO_EPOCH|quiesce|EXECUTORS=2 SIDECARS=1 LOST_LOCKS=1||fails"
  "BUG_NONCE_NOT_COMPARED|quiesce|EXECUTORS=2 SIDECARS=1 LOST_LOCKS=1||fails"
  "BUG_EQUAL_SEQ|quiesce|EXECUTORS=2 SIDECARS=1 LOST_LOCKS=1||fails"
  "BUG_FROZEN_SEEN_AGAIN_IS_ENOUGH|quiesce|||fails"
  "BUG_ONE_ACKNOWLEDGEMENT_IS_ENOUGH|quiesce|||fails"
  "BUG_GUARDIAN_NOT_ASKED|quiesce|||fails"
  "BUG_READS_BEFORE_FROZEN|quiesce|||fails"
  "BUG_RESUMES_BEFORE_LAST_READ|quiesce|||fails"
  "BUG_RESTART_CARRIES_ON|quiesce|DEATHS||fails"
  "BUG_OLD_GUARDIAN_LIVES|quiesce|EXECUTORS=2 SIDECARS=1 DEATHS||fails"
  "BUG_NO_LEASE|quiesce|LIVENESS HANGS SIDECARS=1|thawed_0|fails"
  "BUG_NO_GUARDIAN|quiesce|LIVENESS SIDECARS=1 DEATHS|thawed_0|fails"
  "BUG_THAW_WAITS_FOR_LOCK|quiesce|LIVENESS HANGS SIDECARS=1|thawed_0|fails"
  "BUG_LEASE_OUTLIVES_TASK|quiesce|LIVENESS HANGS SIDECARS=1|thawed_0|fails"
  "BUG_NO_LOOK_AFTER_FROZEN|newcomer|||fails"
  "BUG_NO_LOOK_AFTER_REGISTERING|newcomer|||fails"
  "BUG_STARTS_BESIDE_A_FREEZE|newcomer|||fails"
  "BUG_OBEYS_WHAT_IT_FOUND|newcomer|||fails"
  "BUG_NO_EXPECT_CURRENT|switch|||fails"
  "BUG_LOOKS_THROUGH_ITS_OWN_ROOT|switch|||fails"
)
large=(
  "two executors, lost locks, both sidecars|quiesce|EXECUTORS=2 LOST_LOCKS=1||holds"
  "two lost locks at a time|quiesce|EXECUTORS=2 SIDECARS=1 LOST_LOCKS=2||holds"
)
# Megabytes and seconds of one run; two run at a time.
memory=900 limit=300
show=
case ${1:-} in
  '') ;;
  --large) runs+=("${large[@]}"); memory=3000 limit=1800 ;;
  --show) show=${2:?which mutation} ;;
  *) printf 'usage: scripts/model.sh [--large | --show NAME]\n' >&2; exit 2 ;;
esac

work=$(mktemp -d)
# Each run in a process group of its own: else an interrupted script would leave verifiers behind.
set -m
# shellcheck disable=SC2317  # called by the trap
cleanup() {
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Compiles the verifier of one run into a folder of its own.
build() { # folder model macros claim name
  local folder=$1 model=$2 claim=$4 name=$5 macro
  local -a macros=()
  for macro in $3; do macros+=("-D$macro"); done
  case $name in BUG_* | PROBE_*) macros+=("-D$name") ;; esac
  mkdir "$folder"
  cp "$model.pml" "$folder"
  cd "$folder"
  printf '%s\n' "${macros[@]}" > macros
  spin -a "${macros[@]}" "$model.pml" > spin.log
  # NOCLAIM: a safety run checks assertions and deadlocks, and no formula.
  local -a options=(-DCOLLAPSE "-DMEMLIM=$memory")
  if [ -n "$claim" ]; then options+=(-DNFAIR=3); else options+=(-DSAFETY -DNOCLAIM); fi
  # A mutation is found soon: there a fast compiler is worth more than a fast verifier.
  case $name in BUG_* | PROBE_*) options+=(-O0) ;; *) options+=(-O1) ;; esac
  gcc -w "${options[@]}" -o pan pan.c
}

# One run; its verdict goes to `result`.
check() { # number name model macros claim expected
  local start=${EPOCHREALTIME/./} verdict=unclear states elapsed
  (build "$work/$1" "$3" "$4" "$5" "$2") > "$work/$1.log" 2>&1 || cat "$work/$1.log" >&2
  local -a options=(-m1000000 -w21)
  [ -z "$5" ] || options+=(-a -f -N "$5")
  (cd "$work/$1" && timeout --foreground "$limit" ./pan "${options[@]}") > "$work/$1.out" 2>&1 || true
  if grep -q 'errors: 0$' "$work/$1.out" && ! grep -qE 'not completed|too small|out of memory|reached -DMEMLIM' "$work/$1.out"; then
    verdict=holds
  elif grep -qE '^pan:1: (assertion violated|acceptance cycle)' "$work/$1.out"; then
    verdict=fails
  fi
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/$1.out")
  elapsed=$((${EPOCHREALTIME/./} - start))
  printf '%s %s %d.%d\n' "$verdict" "${states:-?}" $((elapsed / 1000000)) $((elapsed / 100000 % 10)) > "$work/$1.result"
  rm -rf "${work:?}/$1"
}

# The shortest way to the violation that is found in half a minute, as the model tells it.
show() { # name model macros claim
  build "$work/show" "$2" "$3" "$4" "$1" 2>&1
  cd "$work/show"
  local -a options=(-m1000000 -w21)
  if [ -n "$4" ]; then
    options+=(-a -f -N "$4")
  else
    gcc -O1 -w -DREACH -DSAFETY -DNOCLAIM -DMEMLIM=2000 -o pan pan.c
    options=(-i -m2000 -w21)
  fi
  timeout --foreground 30 ./pan "${options[@]}" > out 2>&1 || true
  [ -e "$2.pml.trail" ] || { tail -n 5 out >&2; return 1; }
  mapfile -t macros < macros
  spin -t "${macros[@]}" "$2.pml" | grep -vE '^(ltl|Never claim)' | sed -e 's/^      \( *\)/\1/' -e '/^#processes/,$d'
}

if [ -n "$show" ]; then
  for run in "${runs[@]}"; do
    IFS='|' read -r name model macros claim _ <<< "$run"
    if [ "$name" = "$show" ]; then
      (show "$name" "$model" "$macros" "$claim")
      exit
    fi
  done
  printf 'model: no mutation is called %s\n' "$show" >&2
  exit 2
fi

start=$SECONDS
for index in "${!runs[@]}"; do
  IFS='|' read -r name model macros claim expected <<< "${runs[index]}"
  [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
  check "$index" "$name" "$model" "$macros" "$claim" &
done
wait

failed=0
printf '%-42s %-10s %12s %8s  %s\n' property model states seconds result
for index in "${!runs[@]}"; do
  IFS='|' read -r name model macros claim expected <<< "${runs[index]}"
  read -r verdict states seconds < "$work/$index.result"
  case $expected-$verdict in
    holds-holds) result='holds, every state seen' ;;
    fails-fails) result='counterexample found' ;;
    *) result="WRONG: $verdict, should be $expected" failed=1 ;;
  esac
  printf '%-42s %-10s %12s %8s  %s\n' "$name" "$model" "$states" "$seconds" "$result"
  if [ "$expected" != "$verdict" ]; then tail -n 25 "$work/$index.out" >&2; fi
done
printf 'model: %d runs in %d s\n' "${#runs[@]}" $((SECONDS - start))
exit "$failed"
