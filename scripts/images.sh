#!/usr/bin/env bash
# Builds an image for each program from bin/ (make images), and prints their sizes.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/docker-lib.sh
. scripts/docker-lib.sh

repo=${WVS_IMAGE_REPO:-wvs}
version=${WVS_VERSION:-dev}
images=(wvs-migrate wvs-api wvs-worker wvs-executor wvs-sidecar wvsctl demo-agent postgres victoria-metrics)

dir=$(mktemp -d "${TMPDIR:-/tmp}/wvs-images.XXXXXX")
trap 'rm -rf "$dir"' EXIT
docker info > /dev/null 2>&1 || { echo "images: no Docker daemon answers" >&2; exit 1; }
docker_base "$dir"
for image in "${images[@]}"; do
  # The host's network: Debian's packages are all that is fetched.
  DOCKER_BUILDKIT=1 docker build --quiet --network host --file deploy/docker/Dockerfile --target "$image" \
    --tag "$repo/$image:$version" . > /dev/null
done
for image in "${images[@]}"; do
  docker image ls --format '{{.Repository}}:{{.Tag}}\t{{.Size}}' "$repo/$image:$version"
done | expand -t 40
