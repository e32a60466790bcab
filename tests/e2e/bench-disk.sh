#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A disk goes over between two processes: by one lane and by two, compared and not, over nothing and over old content;
# holes stay holes; what cannot be is refused, and then nothing is left and nothing was touched.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

refused() { # what the line must hold, arguments
    bench disk "${@:2}"
    [ "$status" = 1 ] || fail "disk ${*:2}: exit status $status"
    grep -qF -- "$1" "$work/err" || fail "disk ${*:2}: no '$1': $(cat "$work/err")"
}

from=$work/from to=$work/to
# 33 MiB and a sector: random, a hole, zeros that are data, random.
head -c 8M /dev/urandom >"$from"
truncate -s 24M "$from"
head -c 4M /dev/zero | dd of="$from" bs=1M seek=24 conv=notrunc status=none
head -c $(((5 << 20) + 512)) /dev/urandom | dd of="$from" bs=1M seek=28 conv=notrunc status=none

for lanes in 1 2; do
    rm -f "$to"
    bench disk --json --verify --lanes "$lanes" "$from" "$to"
    [ "$status" = 0 ] || fail "exit status $status: $(cat "$work/err")"
    cmp "$from" "$to" || fail "the copy differs"
    [ "$(stat -c %a "$to")" = 600 ] || fail "others may read the copy"
    [ "$(stat -c %b "$to")" -le $((14 << 11)) ] || fail "holes and zeros were written: $(stat -c %b "$to") blocks"
    python3 - "$work/out" "$lanes" <<'END' || fail "the figures do not fit each other"
import json, sys
j = json.load(open(sys.argv[1]))
assert j["disk_bytes"] == (33 << 20) + 512 and j["lanes"] == int(sys.argv[2]), j
data = (17 << 20) // 4096 + 1
assert j["pages_sent"] == data and j["pages_zero"] == 4 << 8, j
assert j["pages_verified"] >= data, j
assert 13 << 20 < j["bytes_wire"] < 15 << 20, j
assert j["us"] > 0 and abs(j["disk_bps"] - j["disk_bytes"] * 8e6 / j["us"]) <= 1, j
END
done

refused "--overwrite writes over it" "$from" "$to"
head -c $(((33 << 20) + 512)) /dev/urandom >"$to"
bench disk --overwrite --compress lz4 "$from" "$to"
[ "$status" = 0 ] || fail "exit status $status: $(cat "$work/err")"
grep -q '^disk  33.0 MiB in .* Gbit/s; ' "$work/out" || fail "no line: $(cat "$work/out")"
cmp "$from" "$to" || fail "old content shows"

truncate -s 1M "$work/small"
refused 'a copy has as many' --overwrite "$from" "$work/small"
[ "$(stat -c %b "$work/small")" = 0 ] || fail "a disk of another size was written to"
refused 'No such file or directory' --overwrite "$from" "$work/none"
refused 'No such file or directory' "$work/none" "$work/new"
refused 'is neither a block device nor a file' "$work" "$work/new"
[ ! -e "$work/new" ] || fail "a file is left"

# Cancelled: what it has made is gone.
"$XL_FAST" bench disk --bandwidth 10Mbit "$from" "$work/new" 2>"$work/err" &
pid=$!
for ((i = 0; i < 300; i++)); do
    [ ! -e "$work/new" ] || break
    sleep 0.1
done
sleep 1
kill -INT "$pid"
! wait "$pid" || fail "it did not say that it was cancelled"
grep -q 'interrupted by signal 2' "$work/err" || fail "no word of the signal: $(cat "$work/err")"
[ ! -e "$work/new" ] || fail "a file is left"

bench disk "$from"
wrong_usage 'TO is missing'
