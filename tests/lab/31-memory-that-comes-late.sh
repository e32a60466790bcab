#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (the unit test test_xen_late has each case; this one shows Xen's part)
# A guest that has given memory back takes it again while it moves, and does not touch it before it is there.
# Before 4.22 Xen does not mark such pages dirty: the target had no memory for them, and what the guest wrote
# there was lost.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

memory=160

wait_late() { # HOST STATE SECONDS
    local i line
    for ((i = 0; i < $3; i += 2)); do
        line=$(guest_tick "$1" late)
        [ "$(field "$line" late)" != "$2" ] || return 0
        sleep 2
    done
    fail "the guest on $1: expected late=$2 within $3 s, saw: $line$(console_tail "$1" late)"
}

make_guest A late memory=$memory busy=10 args="xf.late=24"
wait_late A 1 120
before=$(guest_tick A late)

# At this rate the first round takes half a minute and more.
on A '(XL_FAST_VERBOSE=1 xl migrate --fast --verify --bandwidth 40M late B >/lab/late.out 2>&1; echo "status $?" >>/lab/late.out) </dev/null >/dev/null 2>&1 &'
# shellcheck disable=SC2016  # expanded on the host
on A 'i=0; until grep -aq "source: connected" /lab/late.out; do i=$((i + 1)); [ $i -lt 120 ] || exit 1; sleep 1; done' ||
    fail "it does not begin: $(on A cat /lab/late.out)"
sleep 15
# The same as ever: but the driver is told, and moves to it.
on A xl mem-set late ${memory}m
wait_late A 2 60
expect_eq "guests on B, when it has taken its memory" "late--incoming" "$(domains B)"
note "taken again: $(guest_tick A late)"

# shellcheck disable=SC2016  # expanded on the host
ON_TIMEOUT=400 on A 'i=0; until grep -aq "^status" /lab/late.out; do i=$((i + 1)); [ $i -lt 360 ] || exit 1; sleep 1; done' ||
    fail "it does not end: $(on A cat /lab/late.out)"
MIGRATE_OUTPUT=$(on A cat /lab/late.out | tr '\r' '\n')
expect_match "the migration" '^status 0$' "$MIGRATE_OUTPUT"
note "rounds $(result source rounds), pages $(result source pages_sent), verified $(result source verified_pages)," \
    "suspended for the memory $(($(result source suspended_memory_us) / 1000)) ms"
expect_goes_on B late "$before"
on B xl mem-set late $((memory - 4))m
wait_late B 3 120
expect_goes_on B late "$before" 20
wait_pass B late
end_clean
