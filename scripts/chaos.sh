#!/usr/bin/env bash
# Three workers and two executors under a mixed load, in workspaces that stay and in others that are made, mended and disabled
# meanwhile, while everything that can go wrong does: kill -9, SIGSTOP, PostgreSQL restarted with `-m immediate`, links cut; sidecars
# and their guardians are struck too. Then every invariant is checked from outside, with SQL and in the file system.
#
#   scripts/chaos.sh                        CHAOS_SECONDS of it (60), then what it takes to come to rest
#   CHAOS_SEED=4711 scripts/chaos.sh        the same strikes and requests again; programs take their time as they like
#
# Links are cut with network namespaces of its own, where it runs as root; else nobody's link is cut.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stack-lib.sh
. scripts/stack-lib.sh

bin=$(realpath "${WVS_BIN:-bin}")
dir=''
hub=wvs-chaos-$$
spaces=()

finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP PIPE
  set +e
  if [ "$status" != 0 ] && [ -n "${CHAOS_KEEP_LOGS:-}" ]; then
    cp -r "$dir/log" "$CHAOS_KEEP_LOGS" && echo "logs: $CHAOS_KEEP_LOGS" >&2
  fi
  stack_stop "$dir" || status=1
  # Those of the agents whose sidecars were struck.
  while read -r _ cgroups type _; do
    if [ "$type" = cgroup2 ]; then find "$cgroups" -maxdepth 1 -name "${dir##*/}-*" -exec rmdir {} +; fi
  done < /proc/mounts
  for space in "${spaces[@]}"; do ip netns delete "$space"; done
  exit "$status"
}
trap finish EXIT
stack_signals
stack_scratch chaos

# A namespace for each worker and each executor, linked to the hub, where everything else is.
make_network() {
  ip netns add "$hub"
  spaces=("$hub")
  ip -n "$hub" link set lo up
  # One address for all workers to know.
  ip -n "$hub" address add 10.213.0.1/32 dev lo
  ip netns exec "$hub" sysctl -q -w net.ipv4.ip_forward=1
  local number
  for number in 1 2 3; do make_space "w$number" "10.213.$number"; done
  for number in 1 2; do make_space "e$number" "10.213.1$number"; done
}

make_space() {
  local link=$1 network=$2 space=$hub-$1
  ip netns add "$space"
  spaces+=("$space")
  ip -n "$space" link set lo up
  ip -n "$hub" link add "$link" type veth peer name eth0 netns "$space"
  ip -n "$hub" address add "$network.1/30" dev "$link"
  ip -n "$hub" link set "$link" up
  ip -n "$space" address add "$network.2/30" dev eth0
  ip -n "$space" link set eth0 up
  ip -n "$space" route add default via "$network.1"
}

stack_prepare "$dir" "$bin"
network=()
if as_root && ip netns add "$hub-try" 2> /dev/null; then
  ip netns delete "$hub-try"
  make_network
  network=(--hub "$hub")
else
  echo "chaos: not root, or no network namespaces here: no link will be cut"
fi
stack_file_system "$dir"
stack_postgres "$dir"
if as_root; then printf 'host all all 10.213.0.0/16 trust\n' >> "$dir/pg/data/pg_hba.conf"; fi
WVS_DB_DSN=$DSN "$bin/wvs-migrate" up > "$dir/log/migrate.log" 2>&1 || { cat "$dir/log/migrate.log" >&2; exit 1; }

python3 scripts/chaos/chaos.py --dir "$dir" --bin "$bin" --mount "$MOUNT" --engine "$ENGINE" --dsn "$DSN" --pgbin "$(postgres_bin)" \
  --seconds "${CHAOS_SECONDS:-60}" --seed "${CHAOS_SEED:-$RANDOM}" "${network[@]}"
