#!/usr/bin/env bash
# Generates the C code of executor.proto. It is checked in, so that a build needs no protoc-c.
#   scripts/generate.sh           writes it beside the .proto
#   scripts/generate.sh --check   writes nothing; exits 1 and shows the difference if what is checked in is not current
set -euo pipefail

cd "$(dirname "$0")/../Sources/ExecutorProto"
proto=executor/v1/executor.proto

case "${1:-}" in
  "") protoc-c --proto_path=. --c_out=. "$proto" ;;
  --check)
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    protoc-c --proto_path=. --c_out="$scratch" "$proto"
    for file in "${proto%.proto}".pb-c.{h,c}; do
      diff -u "$file" "$scratch/$file" || {
        echo "generate: $file is not current; run make generate" >&2
        exit 1
      }
    done
    ;;
  *)
    echo "usage: scripts/generate.sh [--check]" >&2
    exit 2
    ;;
esac
