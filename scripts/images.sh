#!/usr/bin/env bash
# Builds an image for each program from bin/, and prints their sizes.
#   scripts/images.sh            (make images) all that docker-compose.local.yml needs; nothing is pulled if it cannot be
#   scripts/images.sh juicefs    (make images-juicefs) also those of docker-compose.yml that mount JuiceFS
#   WVS_IMAGE_REPO, WVS_VERSION  name and tag [wvs, dev]
#   WVS_JUICEFS                  for the latter, the juicefs program to put into them: 1.1 or newer, which can clone
# Where no Docker daemon answers root builds them with a private one, and finds them in .build/images/wvs-images.tar.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'images: %s\n' "$*" >&2; exit 1; }

repo=${WVS_IMAGE_REPO:-wvs}
version=${WVS_VERSION:-dev}
readonly base=debian:bookworm-slim archive=.build/images/wvs-images.tar
images=(wvs-migrate wvs-api wvs-worker wvs-executor wvs-sidecar wvsctl demo-agent postgres victoria-metrics)
case "${1:-}" in
  '') ;;
  juicefs)
    [ -f "${WVS_JUICEFS:-}" ] || fail "WVS_JUICEFS must name a juicefs program of release 1.1 or newer (https://juicefs.com/docs/community/getting-started/installation)"
    mkdir -p .build/images
    cp "$WVS_JUICEFS" .build/images/juicefs
    images+=(wvs-executor-juicefs demo-agent-juicefs)
    ;;
  *) fail "usage: scripts/images.sh [juicefs]" ;;
esac

dir=$(mktemp -d "${TMPDIR:-/tmp}/wvs-images.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

if ! docker info > /dev/null 2>&1; then
  echo "images: no Docker daemon answers; building with a private one" >&2
  mkdir -p "${archive%/*}"
  WVS_IMAGE_ARCHIVE=$archive scripts/private-docker.sh "$dir" "$0" "$@"
  exit
fi

# A client may lack BuildKit, as those since 23 do without their buildx plugin; Debian's has it.
client=docker
if ! docker buildx version > /dev/null 2>&1 && [ -x /usr/bin/docker ]; then client=/usr/bin/docker; fi

# The base image, by debootstrap where it cannot be pulled; what was made once is kept.
provide_base() {
  local site kept=.build/tools/debian-bookworm-slim.tar
  docker image inspect "$base" > /dev/null 2>&1 && return 0
  if [ ! -e "$kept" ]; then
    timeout 60 docker pull -q "$base" > /dev/null 2>&1 && return 0
    echo "images: $base cannot be pulled; making it with debootstrap" >&2
    # shellcheck disable=SC2016 # apt's own variables
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -n 1)
    debootstrap --variant=minbase bookworm "$dir/base" "$site" > "$dir/debootstrap.log" 2>&1 ||
      { tail -n 20 "$dir/debootstrap.log" >&2; return 1; }
    # What the image of that name leaves out too.
    rm -rf "$dir"/base/usr/share/{doc,man,locale,info,lintian} "$dir"/base/var/cache/apt "$dir"/base/var/lib/apt/lists/* \
      "$dir"/base/var/log/*
    mkdir -p "${kept%/*}"
    tar -C "$dir/base" -cf "$kept.new" .
    mv "$kept.new" "$kept"
    rm -rf "$dir/base"
  fi
  docker import "$kept" "$base" > /dev/null
}

# The host's network: Debian's packages are all that is fetched.
build() {
  DOCKER_BUILDKIT=1 "$client" build --progress plain --network host --file deploy/docker/Dockerfile --target "$1" \
    --tag "$repo/$1:$version" . > "$dir/$1.log" 2>&1 ||
    { tail -n 30 "$dir/$1.log" >&2; fail "$1 was not built"; }
}

provide_base
# Package lists are fetched once, by the first; the others are built side by side.
build "${images[0]}"
for image in "${images[@]:1}"; do build "$image" & done
failed=
for job in $(jobs -p); do wait "$job" || failed=1; done
[ ! "$failed" ] || exit 1

for image in "${images[@]}"; do
  docker image ls --format '{{.Repository}}:{{.Tag}}\t{{.Size}}' "$repo/$image:$version"
done | expand -t 40
if [ "${WVS_IMAGE_ARCHIVE:-}" ]; then
  names=("${images[@]/#/$repo/}")
  docker save --output "$WVS_IMAGE_ARCHIVE" "${names[@]/%/:$version}"
  echo "Saved; docker load --input $WVS_IMAGE_ARCHIVE takes them to a daemon."
fi
