#!/bin/sh
# Mounts the JuiceFS volume at /ws, then becomes the program that is named. Formats the volume where it does not exist yet.
set -eu
: "${JFS_META_URL:?the metadata engine, for example postgres://…, is required}"
: "${MINIO_ENDPOINT:?the address of the object store is required}"
: "${MINIO_ACCESS_KEY:?is required}" "${MINIO_SECRET_KEY:?is required}"
bucket=$MINIO_ENDPOINT/${MINIO_BUCKET:-jfs-data}

if ! juicefs status "$JFS_META_URL" > /dev/null 2>&1; then
  # Of several that start at once the first one wins; formatting an existing volume alike changes nothing.
  juicefs format --storage minio --bucket "$bucket" --access-key "$MINIO_ACCESS_KEY" --secret-key "$MINIO_SECRET_KEY" \
    "$JFS_META_URL" workspaces
fi
mkdir -p /ws
# No --writeback: what was flushed must be in the object store, or a clone on another mount misses it.
juicefs mount --background --no-usage-report --metrics 0.0.0.0:9567 "$JFS_META_URL" /ws
exec "$@"
