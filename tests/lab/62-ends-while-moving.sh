#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/e2e/evacuate-ended.sh walks through it)
# Guests that end while they move. Host A is emptied: one guest crashes in the middle of its memory and is named, the
# other reboots there and is moved all the same. Then that one is destroyed while `xl migrate --fast` moves it.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

on A rm -f /run/xl-fast/evacuate /lab/out
# The larger one goes first.
make_guest A crashes memory=144 args=sysrq_always_enabled
make_guest A reboots memory=128 seed=2 args=sysrq_always_enabled
boot=$(field "$(guest_tick A reboots)" boot)

# Until a guest's memory is on its way.
until_moving() { # HOST NAME
    # shellcheck disable=SC2016  # expanded on the host
    ON_TIMEOUT=320 on "$1" 'i=0; until xl-fast status | grep -q "^'"$2"' .* live .*round"; do
        i=$((i + 1)); [ $i -lt 300 ] && ! grep -q "^status" /lab/out || exit 1; sleep 1; done' ||
        fail "$2 does not begin to move: $(on "$1" tail -n 30 /lab/out)"
}

# At this rate its memory is under way for most of a minute.
on A '(xl-fast evacuate B -- --bandwidth 20M >/lab/out 2>&1; echo "status $?" >>/lab/out) </dev/null >/dev/null 2>&1 &'
until_moving A crashes
on A xl sysrq crashes c
until_moving A reboots
on A xl sysrq reboots b
# shellcheck disable=SC2016
ON_TIMEOUT=900 on A 'i=0; until grep -q "^status" /lab/out; do i=$((i + 1)); [ $i -lt 880 ] || exit 1; sleep 1; done' ||
    fail "evacuate does not end: $(on A tail -n 30 /lab/out)"
output=$(on A cat /lab/out | tr '\r' '\n')
printf '%s\n' "$output" | sed 's/^/   | /'
expect_match "its end" '^status 0$' "$output"
expect_match "the cause" 'the guest has ended while it moved: it ' "$output"
expect_match "the one that crashes, by xl" '^xl-fast: crashes has (ended|shut down) here while it moved' "$output"
expect_match "and by evacuate" '^xl-fast evacuate: crashes has ended while it moved to B' "$output"
expect_match "the one that reboots" '^xl-fast evacuate: reboots has rebooted while it moved to B$' "$output"
expect_match "its summary" '^1 moved, 0 left, 0 kept, 1 ended$' "$output"
expect_eq "guests on A" "" "$(domains A)"
expect_eq "guests on B" reboots "$(domains B)"
wait_tick B reboots 2 60
[ "$(field "$(guest_tick B reboots)" boot)" != "$boot" ] || fail "it has not rebooted"
output=$(on A xl-fast evacuate B 2>&1) || fail "the next run: status $?: $output"
expect_match "the next run" '^0 moved, 0 left, 0 kept$' "$output"

on B 'rm -f /lab/out; (xl migrate --fast --bandwidth 20M reboots A >/lab/out 2>&1; echo "status $?" >>/lab/out) </dev/null >/dev/null 2>&1 &'
until_moving B reboots
began=$SECONDS
on B xl destroy reboots
# shellcheck disable=SC2016
ON_TIMEOUT=120 on B 'i=0; until grep -q "^status" /lab/out; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 1; done' ||
    fail "xl migrate does not end: $(on B tail -n 30 /lab/out)"
expect_le "seconds until it is told" 60 $((SECONDS - began))
output=$(on B cat /lab/out | tr '\r' '\n')
expect_match "its end" '^status 1$' "$output"
expect_match "the cause" 'the guest has ended while it moved: it is no longer here' "$output"
expect_match "the last line" '^xl-fast: reboots has ended here while it moved \(shut down, rebooted or destroyed\), and A does not have it$' "$output"
expect_eq "guests on A" "" "$(domains A)"
expect_eq "guests on B" "" "$(domains B)"
end_clean
