# shellcheck shell=bash
# A whole WVS below one scratch folder: private PostgreSQL, file system, the four programs. Sourced by stack.sh, demo.sh and others.
#
#   stack_signals          a signal ends the script, but never between the making of something and its record
#   stack_scratch NAME     makes a scratch folder, named in `dir`
#   stack_start DIR BIN    starts everything; sets API_URL, MOUNT, ENGINE, ENGINE_REASON, DSN
#   stack_spawn DIR NAME COMMAND...   starts a program of the stack in a session of its own, log in DIR/log/NAME.log
#   stack_stop DIR         ends everything that was started, in reverse order, and removes DIR; fails, and says what is left, if
#                          anything is

as_root() { [ "$(id -u)" = 0 ]; }

# PostgreSQL refuses to run as root.
as_postgres() { if as_root; then runuser -u postgres -- "$@"; else "$@"; fi; }

postgres_bin() {
  local found
  found=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
  printf '%s\n' "${found:-/usr/bin}"
}

# Where a person reads what went wrong, also within a command whose output goes elsewhere.
exec {stack_errors}>&2
stack_held='' stack_signalled=''
stack_signals() { trap stack_signal INT TERM HUP; }
stack_signal() {
  stack_signalled=1
  [ -n "$stack_held" ] || stack_interrupt
}
stack_interrupt() {
  # An impatient second one must not end the cleaning up.
  trap '' INT TERM HUP
  exit 130
}
stack_hold() { stack_held=1; }
stack_release() {
  stack_held=''
  [ -z "$stack_signalled" ] || stack_interrupt
}

stack_scratch() {
  stack_hold
  # Ctrl-C reaches mktemp too, and must not end it between the folder and its name.
  dir=$(trap '' INT TERM HUP && mktemp -d "${TMPDIR:-/tmp}/wvs-$1.XXXXXX")
  stack_release
}

# Sets REPLY to the time a process was started, which tells it from a later one with the same pid; to nothing if it has ended.
start_time() {
  local stat fields
  REPLY=''
  # Read without a child process: a signal that ends it would leave a running program unrecorded.
  read -r stat 2> /dev/null < "/proc/$1/stat" || return 0
  read -r -a fields <<< "${stat##*) }"
  case ${fields[0]} in Z | X) ;; *) REPLY=${fields[19]} ;; esac
}
is_running() {
  start_time "$1"
  [ -n "$REPLY" ] && [ "$REPLY" = "$2" ]
}

stack_spawn() {
  local dir=$1 name=$2 pid
  shift 2
  stack_hold
  # A session of its own: Ctrl-C in a terminal reaches the script alone, which then stops things in order.
  setsid "$@" > "$dir/log/$name.out" 2> "$dir/log/$name.log" < /dev/null {stack_errors}>&- &
  pid=$!
  start_time "$pid"
  printf '%s %s %s\n' "$name" "$pid" "$REPLY" >> "$dir/pids"
  stack_release
}

stack_alive() {
  local name pid started
  while read -r name pid started; do
    if [ "$name" = "$2" ] && is_running "$pid" "$started"; then return 0; fi
  done < "$1/pids"
  return 1
}

# Waits for a condition, ten seconds at most.
wait_for() {
  local what=$1
  shift
  within 10 "$@" || { echo "timed out waiting for $what" >&2; return 1; }
}
within() {
  local tries=$(($1 * 50))
  shift
  until "$@"; do
    [ $((tries--)) -gt 0 ] || return 1
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

# Sets MOUNT, ENGINE and, where that is the copy engine in a plain folder, ENGINE_REASON.
stack_file_system() {
  local dir=$1 type=${STACK_FILE_SYSTEM:-xfs}
  mkdir -p "$dir/ws"
  # shellcheck disable=SC2034 # for the caller
  MOUNT=$dir/ws ENGINE=copy ENGINE_REASON='not root'
  as_root || return 0
  truncate -s 4G "$dir/ws.img"
  case $type in
    xfs) mkfs.xfs -q -m reflink=1 "$dir/ws.img" ;;
    btrfs) mkfs.btrfs -q "$dir/ws.img" > "$dir/log/mkfs.log" ;;
    *) echo "STACK_FILE_SYSTEM is xfs or btrfs" >&2 && return 1 ;;
  esac
  # umount frees the loop device too.
  if mount -o loop "$dir/ws.img" "$dir/ws" 2> "$dir/log/mount.log"; then
    # shellcheck disable=SC2034 # for the caller
    case $type in xfs) ENGINE=reflink ENGINE_REASON='' ;; btrfs) ENGINE=btrfs ENGINE_REASON='' ;; esac
    return 0
  fi
  # Root of a container may not mount. Who asked for a file system is not served with a folder.
  if [ -n "${STACK_FILE_SYSTEM:-}" ]; then cat "$dir/log/mount.log" >&2 && return 1; fi
  rm "$dir/ws.img"
  ENGINE_REASON=$(sed '1s/\.$//; q' "$dir/log/mount.log")
  # shellcheck disable=SC2034 # for the caller
  ENGINE_REASON="nothing can be mounted here (${ENGINE_REASON##*: })"
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

# What stands before anything is started in DIR.
stack_prepare() {
  local dir=$1 bin=$2
  [ -x "$bin/demo-agent" ] || { echo "there are no programs in $bin: make build makes them, or make build-debug in .build/debug" >&2; return 1; }
  chmod 755 "$dir"
  mkdir -p "$dir/log" "$dir/bin"
  : > "$dir/pids"
  # Where sidecars note what a successor would have to thaw. And a mark that every program inherits, and what it starts.
  export WVS_STATE_DIR=$dir/state WVS_STACK=$dir
  AS_POSTGRES=()
  if as_root; then AS_POSTGRES=(runuser -u postgres --); fi
  # The agent runs as another user, who may not be able to reach the checkout.
  cp "$bin/demo-agent" "$dir/bin/"
}

stack_start() {
  local dir=$1 bin=$2
  stack_prepare "$dir" "$bin"
  stack_file_system "$dir"
  stack_postgres "$dir"
  WVS_DB_DSN=$DSN "$bin/wvs-migrate" up > "$dir/log/migrate.log" 2>&1 || { cat "$dir/log/migrate.log" >&2; return 1; }

  stack_spawn "$dir" executor env EXECUTOR_MOUNT_PATH="$MOUNT" EXECUTOR_VOLUME=any EXECUTOR_ENGINE="$ENGINE" \
    EXECUTOR_GRPC_ADDR=127.0.0.1:0 EXECUTOR_METRICS_ADDR=127.0.0.1:0 WVS_WORKSPACE_ROOT="$MOUNT" "$bin/wvs-executor"
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
  # It would show what is younger than 30 s later only.
  stack_spawn "$dir" victoria-metrics victoria-metrics -storageDataPath="$dir/metrics" -httpListenAddr="127.0.0.1:$port" \
    -search.latencyOffset=2s
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

# Ends one process: SIGTERM, and SIGKILL if ten seconds later it still runs; two, where somebody has lost patience.
end_process() {
  local pid=$1 started=$2 patience=10
  is_running "$pid" "$started" || return 0
  kill -TERM "$pid" 2> /dev/null
  [ -z "$stack_signalled" ] || patience=2
  if ! within "$patience" has_ended "$pid" "$started"; then
    kill -KILL "$pid" 2> /dev/null
    wait_for "process $pid to be killed" has_ended "$pid" "$started" || return 1
  fi
  wait "$pid" 2> /dev/null
}
has_ended() { ! is_running "$@"; }

# The processes of a stack by the mark that they inherited: also those whose parent was killed.
stack_processes() { grep -lszxF "WVS_STACK=$1" /proc/[0-9]*/environ | cut -d / -f 3; }
has_no_process() {
  local processes
  mapfile -t processes < <(stack_processes "$1")
  [ ${#processes[@]} = 0 ] || { kill -KILL "${processes[@]}" 2> /dev/null; return 1; }
}

# The cgroups that sidecars made, if they were killed and could not remove them.
stack_cgroups() { cat "$1"/state/*.json 2> /dev/null | jq -r 'select(.made_cgroup) | .cgroup'; }
has_no_cgroup() {
  local cgroup=$1 processes
  [ -e "$cgroup/cgroup.procs" ] || return 0
  # What is frozen by a cgroup of version 1 does not die.
  if [ -e "$cgroup/freezer.state" ]; then echo THAWED > "$cgroup/freezer.state"; else echo 0 > "$cgroup/cgroup.freeze"; fi
  mapfile -t processes < "$cgroup/cgroup.procs"
  [ ${#processes[@]} = 0 ] || kill -KILL "${processes[@]}" 2> /dev/null
  find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null
  [ ! -e "$cgroup" ]
}

# A loop device whose last user has gone is freed a little later.
has_no_loop_device() { ! grep -qsF "$1/ws.img" /sys/block/loop*/loop/backing_file; }
remove_folder() { rm -rf "$1" 2> /dev/null; }

stack_stop() {
  local dir=$1 name pid started postmaster cgroup left=''
  # Whatever else comes, and wherever its words can not go: this is done to the end.
  trap '' INT TERM HUP PIPE
  set +e
  [ -n "$dir" ] || return 0
  # Else what is started from here on would be taken for the stack's own.
  unset WVS_STACK
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
  for cgroup in $(stack_cgroups "$dir"); do
    wait_for "the cgroup $cgroup to be empty" has_no_cgroup "$cgroup" || left+=" $cgroup"
  done
  wait_for "the last processes" has_no_process "$dir" || left+=" processes $(stack_processes "$dir" | xargs)"
  if mountpoint -q "$dir/ws" 2> /dev/null; then
    wait_for "the file system" umount "$dir/ws" 2> /dev/null || umount -l "$dir/ws"
  fi
  wait_for "the loop device" has_no_loop_device "$dir" || left+=" the loop device of $dir/ws.img, which somebody still uses"
  wait_for "the folder to go" remove_folder "$dir" || left+=" $dir"
  [ -z "$left" ] || { echo "left behind:$left" >&2; return 1; }
}
