#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Pages go compressed where the link is what limits, and not where nothing gets smaller by it; also cut up and
# over a bad link.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

move() { # options; then $bytes are those that it took
    demo --memory "$(size 64M 16M)" --dirty-rate 0 --seed 1 "$@" --json
    verified
    [ "$(sum rejects)" = 0 ] || fail "packets were refused"
    bytes=$(get bytes_wire)
}

move --fill compressible --compress none
is pages_compressed 0
is bytes_saved 0
raw=$bytes
[ "$raw" -gt "$(($(get memory_bytes)))" ] || fail "$raw bytes are less than the guest"

# The link is slow, so it pays, and auto finds that out in time.
move --fill compressible --bandwidth "$(size 1G 100M)"
is compress '"auto"'
[ "$((bytes * 2))" -lt "$raw" ] || fail "$bytes bytes of $raw, compressed 3 to 1"
at_least pages_compressed "$(($(get pages_total) / 2))"
[ "$((bytes + $(get bytes_saved)))" -gt "$((raw * 9 / 10))" ] || fail "more is said to be saved than is"

move --fill compressible --compress lz4
[ "$((bytes * 5))" -lt "$((raw * 2))" ] || fail "$bytes bytes of $raw, all compressed 3 to 1"
is pages_compressed "$(get pages_total)"

# What cannot be compressed goes as it is, and takes no more.
move --fill random --compress none
raw=$bytes
for rate in 0 "$(size 2G 200M)"; do
    move --fill random --bandwidth "$rate"
    is pages_compressed 0
    [ "$((bytes * 100))" -le "$((raw * 102))" ] || fail "$bytes bytes of $raw at $rate"
done

# Lost, damaged, doubled and late.
demo --memory "$(size 64M 16M)" --fill compressible --compress lz4 --dirty-rate 20M --loss 3 --reorder 5 --duplicate 2 \
    --corrupt 1 --seed 2 --json
verified
at_least pages_repaired 1
at_least pages_compressed 1
is undecodable 0

# For people.
demo --memory 32M --fill compressible --compress lz4 --seed 3
grep -Eq ' [1-9][0-9]{3,} compressed' "$work/out" || fail "the table does not say it"
nothing_left
