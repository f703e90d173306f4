#!/usr/bin/env bash
# Generates what is checked in beside its source, so that a build needs no tool for it:
#   executor.proto     its C code, by protoc-c
#   docs/openapi.yaml  a Swift string, so that a program without files beside it can serve the document
#
#   scripts/generate.sh           writes it
#   scripts/generate.sh --check   writes nothing; exits 1 and shows the difference if what is checked in is not current
set -euo pipefail

cd "$(dirname "$0")/.."
proto=executor/v1/executor.proto
swift=API/Answers/OpenAPIDocument.swift

generate() { # into the folder $1, as below Sources
  mkdir -p "$1/ExecutorProto" "$(dirname "$1/$swift")"
  protoc-c --proto_path=Sources/ExecutorProto --c_out="$1/ExecutorProto" "$proto"
  {
    printf '// Generated from docs/openapi.yaml by scripts/generate.sh.\n// swift-format-ignore-file\n\n'
    printf '/// The contract of the API (design 3), as /openapi.yaml serves it.\nenum OpenAPIDocument {\n'
    printf '    static let text = ##"""\n'
    cat docs/openapi.yaml
    printf '\n"""##\n}\n'
  } > "$1/$swift"
}

case "${1:-}" in
  "") generate Sources ;;
  --check)
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    generate "$scratch"
    for file in "ExecutorProto/${proto%.proto}.pb-c.h" "ExecutorProto/${proto%.proto}.pb-c.c" "$swift"; do
      diff -u "Sources/$file" "$scratch/$file" || {
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
