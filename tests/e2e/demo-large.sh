#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest larger than most machines, of zeros: it moves, and costs no memory at either end but what is written to it; what
# an end needs besides hardly grows with the guest. What does not fit is refused, with what is free and what to do.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

free_kib=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
memory=$(size 64G 4G)
# Slow machines take minutes, and what is written meanwhile is real.
demo --memory "$memory" --fill zero --dirty-rate 1M --seed 1 --json
verified
is memory_bytes $((${memory%G} << 30))
is pages_total $((${memory%G} << 18))
for end in source target; do
    resident=$(get "resident_bytes_$end")
    echo "$end: $((resident >> 20)) MiB besides the guest"
    [ "$resident" -gt $((8 << 20)) ] || fail "the $end says that it has $resident bytes"
    [ -n "${XF_SANITIZED:-}" ] || [ "$resident" -lt $((512 << 20)) ] || fail "the $end has $resident bytes besides the guest"
done

# Both ends' memory would be twice what is free.
for fill in random mixed compressible; do
    demo --memory "$((free_kib / 4 * 4))K" --fill "$fill"
    wrong_usage 'do not fit: .* are free: take a smaller --memory, or --fill zero'
done
demo --memory 8T --fill zero --dirty-rate 1T
wrong_usage 'do not fit: .* are free: take a smaller --memory, or a lower --dirty-rate'
