#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/unit/transport/test_chunks.c and test_sizes.c show it without Xen)
# The target's kernel lets a process map less than the guest has (vm.max_map_count): the guest arrives all the same, every
# page right. Each chunk of guest memory is a mapping of its own, so with the kernel's own limit this is what a guest
# above 128 GiB meets.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

restore_hosts() {
    local host
    for host in "${HOSTS[@]}"; do
        on "$host" 'sysctl -q vm.max_map_count=65530; rm -f /lab/watch'
    done
}
restore_hosts
trap restore_hosts EXIT
begin

# watch_maps HOST: from now on /lab/maps has how many mappings a process that receives there has, and how many of
# them are a guest's.
watch_maps() {
    # shellcheck disable=SC2016  # expanded on the host
    on "$1" 'touch /lab/watch
        (while [ -e /lab/watch ]; do
            for p in $(pgrep "^libxl-save-help"; pgrep "^xl-fast-pump"); do
                awk '\''{ n++ } $6 ~ /privcmd/ { g++ } END { print n + 0, g + 0 }'\'' /proc/$p/maps 2>/dev/null
            done
            sleep 0.3
        done >/lab/maps) </dev/null >/dev/null 2>&1 &'
}

# seen HOST COLUMN: the most that it has seen, and no more is looked for.
seen() {
    # shellcheck disable=SC2029  # the column is meant to be put in here
    on "$1" "rm -f /lab/watch; sort -n -k $2 /lab/maps | tail -n 1 | cut -d ' ' -f $2"
}

make_guest A few memory=256 fill=150
watch_maps B
fast_move A few
all=$(seen B 1)
chunks=$(seen B 2)
expect_ge "mappings of the guest at once, where there is room" 128 "$chunks"

limit=$((all - chunks / 2))
note "vm.max_map_count at A: $limit"
on A "sysctl -q vm.max_map_count=$limit"
watch_maps A
fast_move B few
expect_le "mappings in all" "$limit" "$(seen A 1)"
mapped=$(seen A 2)
expect_ge "mappings of the guest" 16 "$mapped"
expect_le "mappings of the guest" "$((chunks / 2))" "$mapped"
restore_hosts
end_clean
