#!/bin/sh
# Starts Sluice on the Node.js that came with it, or on the one of the PATH where none did.
self=$(readlink -f "$0")
home=${self%/bin/sluice}/lib/sluice
node=$home/node/bin/node
[ -x "$node" ] || node=node
# Fewer pools of freed memory that the allocator keeps for each thread.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}"
exec "$node" "$home/cli/launch.mjs" "$@"
