# shellcheck shell=bash
# Docker for images and compose: the daemon that is there, else a private one below a scratch folder. Sourced.
#
#   docker_start DIR   sets DOCKER_HOST where it starts a daemon of its own; needs root for that
#   docker_stop DIR    ends what docker_start started
#   docker_base        provides debian:bookworm-slim, by debootstrap where it cannot be pulled

docker_start() {
  local dir=$1 tries=0
  if docker info > /dev/null 2>&1; then return 0; fi
  if [ "$(id -u)" != 0 ]; then echo "no Docker daemon answers, and only root can start one" >&2; return 1; fi
  command -v dockerd > /dev/null || { echo "dockerd is missing: scripts/bootstrap.sh --containers" >&2; return 1; }
  echo "starting a private dockerd below $dir" >&2
  # An address range of its own: another daemon may run, or have run, on this machine.
  setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --host "unix://$dir/docker.sock" \
    > "$dir/dockerd.log" 2>&1 < /dev/null &
  export DOCKER_HOST=unix://$dir/docker.sock
  until docker info > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ]; then tail -n 20 "$dir/dockerd.log" >&2; return 1; fi
    sleep 0.2
  done
}

docker_stop() {
  local dir=$1 pid tries=0
  [ -e "$dir/pid" ] || return 0
  pid=$(cat "$dir/pid")
  kill -TERM "$pid" 2> /dev/null || true
  while kill -0 "$pid" 2> /dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -eq 150 ]; then kill -KILL "$pid" 2> /dev/null || true; fi
    sleep 0.2
  done
}

docker_base() {
  local dir=$1 site
  docker image inspect debian:bookworm-slim > /dev/null 2>&1 && return 0
  timeout 60 docker pull -q debian:bookworm-slim > /dev/null 2>&1 && return 0
  echo "debian:bookworm-slim cannot be pulled; making it with debootstrap" >&2
  # shellcheck disable=SC2016 # apt's own variables
  site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -n 1)
  debootstrap --variant=minbase bookworm "$dir/base" "$site" > "$dir/debootstrap.log" 2>&1 ||
    { tail -n 20 "$dir/debootstrap.log" >&2; return 1; }
  # What the image of that name leaves out too.
  rm -rf "$dir"/base/usr/share/{doc,man,locale,info,lintian} "$dir"/base/var/cache/apt "$dir"/base/var/lib/apt/lists/* \
    "$dir"/base/var/log/*
  tar -C "$dir/base" -c . | docker import - debian:bookworm-slim > /dev/null
  rm -rf "$dir/base"
}
