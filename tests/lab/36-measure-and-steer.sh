#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/unit/xl-plugin/test_xen_dirty_rate.c, tests/e2e/dry-run.sh and demo-downtime.sh show it without Xen)
# What a guest writes is measured before it moves (--dry-run --measure): with what is expected of it, beside another
# measurement, after one that was killed, while it moves, and where a move begins meanwhile, which goes on and is right.
# Then a move ends at its deadline, one is steered from a second terminal, and one says what limited it.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

on A 'rm -f /run/xl-fast/measured-* /lab/events'
make_guest A wrote memory=192 vcpus=2 write=200

measure() { # SECONDS [OPTION...]: MEASURED is what it said, and its status is its own
    local seconds=$1
    shift
    MEASURED=$(ON_TIMEOUT=200 on A xl migrate --fast --dry-run --measure "$seconds" "$@" wrote B 2>&1)
}
# In the background; measured_says waits for its status.
measure_begin() { # SECONDS
    on A "rm -f /lab/measured; (xl migrate --fast --dry-run --measure $1 wrote B >/lab/measured 2>&1; echo \"status \$?\" >>/lab/measured) </dev/null >/dev/null 2>&1 &"
    # shellcheck disable=SC2016  # expanded on the host
    ON_TIMEOUT=60 on A 'i=0; until pgrep -f "[x]l-fast-preflight measure" >/dev/null; do i=$((i + 1)); [ $i -lt 40 ] || exit 1; sleep 1; done; sleep 3'
}
measured_says() { # REGEX
    ON_TIMEOUT=120 on A "i=0; until grep -q '^status' /lab/measured; do i=\$((i + 1)); [ \$i -lt 100 ] || exit 1; sleep 1; done"
    expect_match "the measurement's end" "$1" "$(on A cat /lab/measured)"
}
no_record() { expect_eq "what is left of it, $1" "" "$(asked A 'ls /run/xl-fast | grep ^measured- || true')"; }

note "--- measured"
measure 5 --bandwidth 300M || fail "$MEASURED"
expect_match "its row" '^  writes +[0-9.]+ [KM]iB/s, to [0-9.]+ [KM]iB of its memory in [0-9.]+ s' "$MEASURED"
expect_match "the forecast" '^  measured +[0-9.]+ m?s, .* rounds, downtime' "$MEASURED"
measure 5 --json || fail "$MEASURED"
pages=$(printf '%s\n' "$MEASURED" | sed '1,/^{/{/^{/!d}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["measured"]["dirtied_bytes"] // 4096)')
# The guest writes 200 pages a second of its own at most, all of them others; its kernel and its disk's buffers do, too.
expect_ge "pages that it wrote to" 100 "$pages"
expect_le "pages that it wrote to" $((192 * 256)) "$pages"
no_record "after it"

note "--- two at once, and one that is killed"
measure_begin 60
if measure 2; then fail "measured twice at once: $MEASURED"; fi
expect_match "the second" "is being measured already" "$MEASURED"
# shellcheck disable=SC2016  # expanded on the host
on A 'kill -9 $(pgrep -f "[x]l-fast-preflight measure")'
measured_says '^status 1'
measure 2 || fail "after one that was killed: $MEASURED"
no_record "after the next"

note "--- a move begins meanwhile: it goes on, and all is right"
measure_begin 100
fast_move A wrote
measured_says 'cannot be measured: .*(has begun|being saved or migrated)'
no_record "after the move"
fast_move B wrote

note "--- not while it moves"
fast_begin A wrote XL_FAST_EVENTS=/lab/events XL_FAST_VERBOSE=1
fast_says A wrote 'source: connected' 60
if measure 2; then fail "measured while it moves: $MEASURED"; fi
# The target, which is asked first, has its copy already.
expect_match "why not" "cannot be measured: it is being saved or migrated|has the guest's UUID" "$MEASURED"

note "--- steered from a second terminal"
on A xl-fast set wrote bandwidth=60M || fail "bandwidth was not set"
on A xl-fast set wrote now || fail "now was not set"
fast_says A wrote '^status 0$' 300
EVENTS=$(on A cat /lab/events)
expect_match "the bandwidth's event" '"event":"set",.*"bandwidth_bps":60000000' "$EVENTS"
expect_match "the order's event" '"event":"set",.*"now":true' "$EVENTS"
after=$(printf '%s\n' "$EVENTS" | sed -n '/"now":true/,$p')
expect_le "rounds that began after it, the last one with the guest suspended" 2 "$(printf '%s\n' "$after" | grep -c '"event":"round_begin"')"
expect_match "what limited it" '"event":"started",.*"limited_by":"[a-z]' "$EVENTS"
expect_eq "guests on B" wrote "$(domains B)"

note "--- a deadline"
before=$(guest_tick B wrote)
if migrate B wrote --fast --bandwidth 10M --deadline 10s --on-busy abort 2>/dev/null; then fail "it went in spite of its deadline"; fi
expect_match "why" 'the deadline has passed' "$MIGRATE_OUTPUT"
expect_goes_on B wrote "$before"
expect_eq "guests on A" "" "$(domains A)"
end_clean
