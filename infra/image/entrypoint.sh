#!/bin/sh
# numba writes into the folder that it reads compiled kernels from, and nothing of the image can be written:
# they are copied once to where this container may write.
set -eu
baked=/opt/lakebed/kernels
if [ -d "$baked" ] && [ ! -d "$NUMBA_CACHE_DIR" ]; then
    part="$NUMBA_CACHE_DIR.$$"
    cp -r "$baked" "$part"
    # two processes that start at once: the second keeps what the first put there
    mv -T "$part" "$NUMBA_CACHE_DIR" 2>/dev/null || rm -rf "$part"
fi
# set to nothing it would be taken for an address
if [ -z "${AWS_ENDPOINT_URL:-}" ]; then unset AWS_ENDPOINT_URL; fi
exec "$@"
