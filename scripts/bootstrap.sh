#!/usr/bin/env bash
# Installs what WVS needs to build, test and run its demo: Debian packages only, and only those that are missing.
#   scripts/bootstrap.sh            installs (root), or prints the command and exits 2 (anybody else)
#   scripts/bootstrap.sh --check    installs nothing; exits 2 if something is missing
set -euo pipefail

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
  libyaml-dev                              # its YAML
  postgresql                               # the database of demo and tests
  xfsprogs btrfs-progs e2fsprogs           # file systems on loop devices
  attr acl util-linux procps               # tests of tree fidelity, runuser
  python3 python3-grpcio python3-protobuf  # an independent gRPC client, for a test
  python3-yaml python3-jsonschema          # openapi.yaml against what the service answers
  prometheus                               # promtool check metrics
  shellcheck jq curl
)

fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 2; }

command -v swift >/dev/null 2>&1 || fail "Swift 6.2 or newer is needed and is not a Debian package.
  Download the Debian 12 toolchain from https://www.swift.org/install/linux/, unpack it to /opt/swift and
  put /opt/swift/usr/bin into PATH."

command -v dpkg-query >/dev/null 2>&1 ||
  fail "this script knows Debian's packages only; install their equivalents: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

install="apt-get install --yes --no-install-recommends ${missing[*]}"
if [ "${1:-}" = --check ] || [ "$(id -u)" != 0 ]; then
  fail "missing Debian packages; as root run
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
if ! { apt-get update -qq && $install -qq -o Dpkg::Options::=--force-confold; } > "$log" 2>&1; then
  tail -n 40 "$log" >&2
  fail "the installation failed; everything it printed is in $log"
fi
rm -f "$log"
