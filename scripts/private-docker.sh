#!/usr/bin/env bash
# Runs a command beside a Docker daemon of its own: scripts/private-docker.sh [--own-network] DIR COMMAND [ARG...]
#
# Daemon, containers and mounts live in namespaces that end with the command, however that ends; what is left, cgroups and files
# below DIR, is removed then. With --own-network the network is one of its own too: nobody else's ports are in the way, and
# nothing reaches the world. Without it containers have no network, and builds use the machine's (docker build --network host).
# Images stay in DIR/data for the next daemon there. Sets DOCKER_HOST, and DOCKER_CGROUP: the parent of all cgroups. Needs root.
set -euo pipefail

say() { printf 'private-docker: %s\n' "$*" >&2; }

# Within the namespaces: the daemon, then the command.
inside() {
  local network=$1 dir=$2 tries=0 options=() status=0
  shift 2
  # Sockets and keys whose places cannot be chosen.
  mount -t tmpfs tmpfs /run
  [ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker
  mount --bind /opt /opt && mount -o remount,bind,ro /opt
  if [ "$network" ]; then ip link set lo up; else options=(--bridge=none --iptables=false --ip6tables=false --ip-forward=false); fi
  export DOCKER_HOST=unix://$dir/docker.sock DOCKER_CONFIG=$dir/config
  dockerd "${options[@]}" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --host "$DOCKER_HOST" \
    --cgroup-parent "/$DOCKER_CGROUP" > "$dir/dockerd.log" 2>&1 < /dev/null &
  until docker info > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 $! 2> /dev/null; then
      say "dockerd does not start; its log ends with:"
      tail -n 20 "$dir/dockerd.log" >&2
      return 1
    fi
    sleep 0.2
  done
  "$@" || status=$?
  # In order, so that what it has stored is whole.
  kill -TERM $!
  wait $! || true
  return "$status"
}

# A frozen process cannot die, and a cgroup with a process cannot go. What find sees may be gone when it looks.
remove_cgroups() {
  local tries=0 cgroups=() file
  while mapfile -t cgroups < <(find /sys/fs/cgroup -maxdepth 2 -type d -name "$DOCKER_CGROUP") && [ ${#cgroups[@]} -gt 0 ]; do
    while read -r file; do
      case "$file" in *.freeze) echo 0 > "$file" ;; *) echo THAWED > "$file" ;; esac 2> /dev/null || true
    done < <(find "${cgroups[@]}" \( -name freezer.state -o -name cgroup.freeze \) 2> /dev/null)
    find "${cgroups[@]}" -depth -type d -exec rmdir {} \; 2> /dev/null || true
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ]; then say "cgroups are left: ${cgroups[*]}"; return 0; fi
    sleep 0.1
  done
}

finish() {
  local status=$?
  trap '' INT TERM HUP
  # The first process of a process namespace takes all others with it.
  kill -KILL "$child" 2> /dev/null || true
  wait "$child" 2> /dev/null || true
  remove_cgroups
  rm -rf "$dir/exec" "$dir/docker.sock" "$dir/pid"
  exit "$status"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
  exit
fi

network=
if [ "${1:-}" = --own-network ]; then network=--net && shift; fi
[ $# -ge 2 ] || { say "usage: [--own-network] DIR COMMAND [ARG...]"; exit 2; }
dir=$(cd "$1" && pwd)
shift
[ "$(id -u)" = 0 ] || { say "no Docker daemon answers, and only root can start one"; exit 1; }
command -v dockerd > /dev/null || { say "dockerd is missing: scripts/bootstrap.sh --containers"; exit 1; }
export DOCKER_CGROUP=wvs-docker-$$
setpriv --pdeathsig KILL unshare --mount --pid --mount-proc ${network:+"$network"} --fork --kill-child \
  "$0" --inside "$network" "$dir" "$@" &
child=$!
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
wait "$child"
