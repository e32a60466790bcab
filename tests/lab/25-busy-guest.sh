#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (the unit tests walk through the policy and, with stand-ins for Xen's scheduler, through the caps)
# A guest that writes faster than the link carries: with --on-busy abort it goes on at the source, and one line says
# why. With --throttle Xen's scheduler gives it less and less CPU time until it can move; it has all of it again at the
# target, and at the source where the migration fails half-way, also if by a helper that is killed.
#   XF_LAB_TYPES='pvh pv'   the types of guest
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

# Bits a second: less than the guest writes, also on a slow machine.
SLOW=(--bandwidth 10M --compress none)

cap() { on "$1" xl sched-credit2 -d "$2" | awk 'NR == 2 { print $NF }'; }

stays() { # BEFORE
    expect_goes_on A busy "$1"
    expect_eq "guests on A" busy "$(domains A)"
    # A receiver whose source was killed ends a while after it.
    # shellcheck disable=SC2016  # expanded on the host
    on B 'i=0; until [ "$(xl list | wc -l)" = 2 ]; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 1; done' ||
        fail "guests on B: $(domains B)"
    expect_eq "the guest's cap at A" 0 "$(cap A busy)"
}

for type in ${XF_LAB_TYPES:-pvh pv}; do
    make_guest A busy memory=128 fill=12 write=1500 busy=40 type="$type"

    before=$(guest_tick A busy)
    if migrate A busy --fast "${SLOW[@]}" --on-busy abort 2>/dev/null; then fail "it went all the same"; fi
    expect_match "why it stays" '^xl-fast: .*the guest dirties [0-9.]+ Gbit/s or more, the link carries' "$MIGRATE_OUTPUT"
    stays "$before"

    # Slowed down, and then the helper is killed: what it cannot undo any more, the shim does.
    before=$(guest_tick A busy)
    on A "rm -f /lab/out; (xl migrate --fast ${SLOW[*]} --throttle busy B >>/lab/out 2>&1; echo \"status \$?\" >>/lab/out) </dev/null >/dev/null 2>&1 &"
    # shellcheck disable=SC2016  # expanded on the host
    ON_TIMEOUT=200 on A 'i=0; until xl sched-credit2 -d busy 2>/dev/null | awk "NR == 2 && \$NF > 0 { slow = 1 } END { exit !slow }"; do
        i=$((i + 1)); [ $i -lt 180 ] && ! grep -q "^status" /lab/out || exit 1; sleep 1; done' ||
        fail "it is not slowed down: $(on A tail -n 20 /lab/out)"
    note "the guest's cap at A meanwhile: $(cap A busy) %"
    # shellcheck disable=SC2016
    on A 'kill -9 $(ps -eo pid=,args= | awk "/[l]ibxl-save-helper --/ { print \$1; exit }")'
    # shellcheck disable=SC2016
    on A 'i=0; until grep -q "^status" /lab/out; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 1; done' ||
        fail "xl does not end: $(on A tail -n 20 /lab/out)"
    expect_match "its end" '^status [1-9]' "$(on A cat /lab/out)"
    expect_match "who undoes it" 'busy was slowed down, and has its CPU time again' "$(on A cat /lab/out)"
    stays "$before"

    before=$(guest_tick A busy)
    migrate A busy --fast "${SLOW[@]}" --throttle || fail "it does not move"
    expect_match "how it moves" 'keeps [0-9]+ % of its CPU time' "$MIGRATE_OUTPUT"
    expect_ge "what it had of its CPU time, in percent" 1 "$(result source throttle_pct)"
    expect_goes_on B busy "$before"
    wait_pass B busy
    expect_eq "guests on A" "" "$(domains A)"
    expect_eq "the guest's cap at B" 0 "$(cap B busy)"
    for host in "${HOSTS[@]}"; do destroy_all "$host"; done # and the consoles of both
done
end_clean
