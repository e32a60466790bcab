#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that is written to all the while arrives whole; its writers go on at the target. Without
# faults nothing is repaired and no packet is refused.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

demo --memory "$(size 256M 64M)" --fill mixed --dirty-rate 50M --writers 2 --seed 1 --json
verified
is pages_total "$(size 65536 16384)"
is pages_repaired 0
[ "$(sum rejects)" = 0 ] || fail "packets were refused"
[ "$(sum injected)" = 0 ] || fail "faults were injected"
at_least rounds 2
at_least pages_zero 1
at_least bytes_wire 1000000
at_least downtime_us 1
at_least total_us 1
at_least resumed_pages 1
nothing_left

# Nobody writes: what a paused guest's memory holds travels in the first round.
demo --memory 32M --fill random --dirty-rate 0 --seed 2 --json
verified
is pages_sent 8192
is pages_zero 0
is pages_repaired 0

# A page and a bit: sizes that are no multiple of anything.
demo --memory 4K --fill random --seed 3 --json
verified
is pages_total 1
demo --memory 2052K --fill random --seed 3 --json
verified
is pages_total 513

# A short downtime asked for: more rounds while the guest runs, or a stop because it is no use.
demo --memory 64M --dirty-rate 100M --max-downtime 1 --seed 4 --json
verified

# For people: the same as a table.
demo --memory 32M --seed 5
[ "$status" = 0 ] || fail "exit status $status"
grep -q '^VERIFIED' "$work/out" || fail "no VERIFIED"
! grep -q 'cycles a page' "$work/out" || fail "timing is shown unasked"
grep -q 'seed 5' "$work/out" || fail "the seed is not shown"
