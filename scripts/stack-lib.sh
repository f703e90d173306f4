# shellcheck shell=bash
# A whole WVS below one scratch folder: private PostgreSQL, file system, the four programs. Sourced by stack.sh and demo.sh.
#
#   stack_start DIR BIN    starts everything; sets API_URL, MOUNT, ENGINE, DSN
#   stack_spawn DIR NAME COMMAND...   starts a program of the stack in a session of its own, log in DIR/log/NAME.log
#   stack_stop DIR         ends everything that was started, in reverse order, and removes DIR

as_root() { [ "$(id -u)" = 0 ]; }

# PostgreSQL refuses to run as root.
as_postgres() { if as_root; then runuser -u postgres -- "$@"; else "$@"; fi; }

postgres_bin() {
  local found
  found=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
  printf '%s\n' "${found:-/usr/bin}"
}

# The time a process was started, which tells it from a later one with the same pid.
start_time() {
  local stat fields
  # Read without a child process: a signal that ends it would leave a running program unrecorded.
  read -r stat 2> /dev/null < "/proc/$1/stat" || return 0
  read -r -a fields <<< "${stat##*) }"
  printf '%s\n' "${fields[19]}"
}

stack_spawn() {
  local dir=$1 name=$2 pid
  shift 2
  # A session of its own: Ctrl-C in a terminal reaches the script alone, which then stops things in order.
  setsid "$@" > "$dir/log/$name.out" 2> "$dir/log/$name.log" < /dev/null &
  pid=$!
  printf '%s %s %s\n' "$name" "$pid" "$(start_time "$pid")" >> "$dir/pids"
}

stack_alive() {
  local name pid started
  while read -r name pid started; do
    if [ "$name" = "$2" ]; then [ "$(start_time "$pid")" = "$started" ] && return 0; fi
  done < "$1/pids"
  return 1
}

# Waits for a condition, ten seconds at most.
wait_for() {
  local what=$1 tries=0
  shift
  until "$@"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ]; then echo "timed out waiting for $what" >&2; return 1; fi
    sleep 0.02
  done
}

# The address that a program's log says it is listening on.
listening() { jq -r --arg what "$3" 'select(.msg == "listening" and .program == $what) | .address' "$1/log/$2.log" 2>/dev/null | head -n 1; }
is_listening() { [ -n "$(listening "$@")" ]; }

await_program() {
  local dir=$1 name=$2 what=$3
  if ! wait_for "$name" is_listening_or_dead "$dir" "$name" "$what" || ! is_listening "$dir" "$name" "$what"; then
    echo "$name did not start; its log ends with:" >&2
    tail -n 5 "$dir/log/$name.log" >&2
    return 1
  fi
}
is_listening_or_dead() { is_listening "$@" || ! stack_alive "$1" "$2"; }

stack_file_system() {
  local dir=$1
  mkdir -p "$dir/ws"
  ENGINE=copy
  if as_root; then
    truncate -s 4G "$dir/ws.img"
    case "${STACK_FILE_SYSTEM:-xfs}" in
      xfs) ENGINE=reflink && mkfs.xfs -q -m reflink=1 "$dir/ws.img" ;;
      btrfs) ENGINE=btrfs && mkfs.btrfs -q "$dir/ws.img" > "$dir/log/mkfs.log" ;;
      *) echo "STACK_FILE_SYSTEM is xfs or btrfs" >&2 && return 1 ;;
    esac
    # umount frees the loop device too.
    mount -o loop "$dir/ws.img" "$dir/ws"
  fi
  # shellcheck disable=SC2034 # for the caller
  MOUNT=$dir/ws
}

stack_postgres() {
  local dir=$1 bin
  bin=$(postgres_bin)
  mkdir -p "$dir/pg"
  if as_root; then chown postgres "$dir/pg"; fi
  as_postgres "$bin/initdb" --no-sync --auth=trust --username=wvs --pgdata="$dir/pg/data" > "$dir/log/initdb.log" 2>&1
  # The socket is its only door, so that no port can be taken.
  stack_spawn "$dir" postgres "${AS_POSTGRES[@]}" "$bin/postgres" -D "$dir/pg/data" -c listen_addresses= \
    -c unix_socket_directories="$dir/pg" -c unix_socket_permissions=0700 -c fsync=on
  DSN="host=$dir/pg user=wvs dbname=wvs"
  wait_for PostgreSQL "$bin/pg_isready" -q -h "$dir/pg"
  "$bin/createdb" -h "$dir/pg" -U wvs wvs
}

stack_start() {
  local dir=$1 bin=$2
  chmod 755 "$dir"
  mkdir -p "$dir/log" "$dir/bin"
  : > "$dir/pids"
  # Where sidecars note what a successor would have to thaw.
  export WVS_STATE_DIR=$dir/state
  AS_POSTGRES=()
  if as_root; then AS_POSTGRES=(runuser -u postgres --); fi
  # The agent runs as another user, who may not be able to reach the checkout.
  cp "$bin/demo-agent" "$dir/bin/"
  stack_file_system "$dir"
  stack_postgres "$dir"
  WVS_DB_DSN=$DSN "$bin/wvs-migrate" up > "$dir/log/migrate.log" 2>&1 || { cat "$dir/log/migrate.log" >&2; return 1; }

  stack_spawn "$dir" executor env EXECUTOR_MOUNT_PATH="$MOUNT" EXECUTOR_ENGINE="$ENGINE" EXECUTOR_GRPC_ADDR=127.0.0.1:0 \
    EXECUTOR_METRICS_ADDR=127.0.0.1:0 WVS_WORKSPACE_ROOT="$MOUNT" "$bin/wvs-executor"
  stack_spawn "$dir" api env WVS_DB_DSN="$DSN" WVS_LISTEN_ADDR=127.0.0.1:"${WVS_PORT:-0}" WVS_METRICS_ADDR=127.0.0.1:0 \
    WVS_WORKSPACE_ROOT="$MOUNT" "$bin/wvs-api"
  await_program "$dir" executor grpc
  stack_spawn "$dir" worker env WVS_DB_DSN="$DSN" EXECUTOR_ADDRS="$(listening "$dir" executor grpc)" \
    WVS_METRICS_ADDR=127.0.0.1:0 WVS_WORKSPACE_ROOT="$MOUNT" "$bin/wvs-worker"
  await_program "$dir" api api
  await_program "$dir" worker metrics
  # shellcheck disable=SC2034 # for the caller
  API_URL=http://$(listening "$dir" api api)
}

# VictoriaMetrics and vmagent with the shipped scrape configuration, for `wvsctl obs`; sets METRICS_URL.
stack_metrics() {
  local dir=$1 port=$2 name
  sed -e "s/wvs-api:9090/$(listening "$dir" api metrics)/; s/wvs-worker:9091/$(listening "$dir" worker metrics)/" \
    -e "s/executor:9092/$(listening "$dir" executor metrics)/; s/scrape_interval: .*/scrape_interval: 2s/" \
    deploy/metrics/vmagent.yml > "$dir/vmagent.yml"
  stack_spawn "$dir" victoria-metrics victoria-metrics -storageDataPath="$dir/metrics" -httpListenAddr="127.0.0.1:$port"
  stack_spawn "$dir" vmagent vmagent -promscrape.config="$dir/vmagent.yml" -httpListenAddr="127.0.0.1:$((port + 1))" \
    -remoteWrite.url="http://127.0.0.1:$port/api/v1/write" -remoteWrite.tmpDataPath="$dir/vmagent"
  wait_for "the metrics store" curl -sf -o "$dir/log/health.out" "http://127.0.0.1:$port/health"
  for name in victoria-metrics vmagent; do
    # Another program may have answered on that port.
    stack_alive "$dir" "$name" || { tail -n 3 "$dir/log/$name.log" >&2; return 1; }
  done
  # shellcheck disable=SC2034 # for the caller
  METRICS_URL=http://127.0.0.1:$port
}

# Ends one process: SIGTERM, and SIGKILL if ten seconds later it still runs.
end_process() {
  local pid=$1 started=$2 tries=0
  [ "$(start_time "$pid")" = "$started" ] && [ -n "$started" ] || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  while [ "$(start_time "$pid")" = "$started" ]; do
    # A child of this shell stays a zombie until it is waited for.
    grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && break
    tries=$((tries + 1))
    if [ "$tries" -eq 500 ]; then kill -KILL "$pid" 2>/dev/null; fi
    sleep 0.02
  done
  wait "$pid" 2>/dev/null || true
}

stack_stop() {
  local dir=$1 name pid started postmaster
  # Whatever else comes, and wherever its words can not go: this is done to the end.
  trap '' INT TERM HUP PIPE
  set +e
  if [ -e "$dir/pids" ]; then
    while read -r name pid started; do
      if [ "$name" = postgres ] && read -r postmaster 2> /dev/null < "$dir/pg/data/postmaster.pid"; then
        # The fast shutdown: SIGTERM would wait for whoever has a psql open.
        kill -INT "$postmaster" 2> /dev/null
        wait_for "PostgreSQL to end" test ! -e "$dir/pg/data/postmaster.pid"
      fi
      end_process "$pid" "$started"
    done < <(tac "$dir/pids")
  fi
  if mountpoint -q "$dir/ws" 2>/dev/null; then
    umount "$dir/ws" 2>/dev/null || { wait_for "the file system" umount "$dir/ws" 2>/dev/null || umount -l "$dir/ws"; }
  fi
  rm -rf "$dir"
}
