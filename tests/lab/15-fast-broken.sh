#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What breaks while the memory is on its way ends the migration at both ends, with a line that says
# why, and the guest goes on at the source: the migration link is cut; the target's helper dies; the
# source's helper is told to stop (as libxl does it). Then the same guest moves after all. It has a disk and a network
# card (26), whose sessions survive all of that. Its devices are attached late; 35 breaks an early hand-over. LAB_QUICK:
# without the devices, which 10 moves late and 35 early.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/matrix.sh
. "$(dirname "$0")/matrix.sh"

restore_link() { on B ip link set eth1 up; }
restore_link
trap restore_link EXIT
begin

devices=()
quick || devices=(disk=1 net=1)
make_guest A stays memory=128 type="${XF_LAB_TYPE:-pvh}" "${devices[@]}"

# Without an end of its own: the guest writes faster than this rate. Left alone, it would move for minutes.
start_slow_move() {
    on A "rm -f /lab/out; (XL_FAST_VERBOSE=1 XL_FAST_CONNECT_TIMEOUT=60 xl migrate --fast --hand-over=late --bandwidth 4M stays B >>/lab/out 2>&1; echo \"status \$?\" >>/lab/out) </dev/null >/dev/null 2>&1 &"
    wait_out 'source: connected' 60
    sleep 3
}

# wait_out REGEX SECONDS: until a line of xl migrate matches.
wait_out() {
    on A "i=0; until grep -aEq '$1' /lab/out; do i=\$((i + 1)); [ \$i -lt $2 ] || exit 1; sleep 1; done" ||
        fail "no '$1' within $2 s: $(on A tail -n 20 /lab/out)"
}

# ends WHAT REGEX SECONDS BEFORE: the migration fails with a line that matches; the guest keeps running here.
ends() {
    local output
    wait_out '^status ' "$3"
    output=$(on A cat /lab/out)
    expect_match "$1: the exit status" '^status [1-9]' "$output"
    expect_match "$1" "^xl-fast: $2" "$output"
    expect_goes_on A stays "$4"
    expect_eq "guests on A" stays "$(domains A)"
    expect_eq "guests on B" "" "$(domains B)"
}

# shellcheck disable=SC2016  # expanded on the host
helper_pid='ps -eo pid=,args= | awk "/[l]ibxl-save-helper --/ { print \$1; exit }"'

before=$(guest_tick A stays)
start_slow_move
on B ip link set eth1 down
ends "the link is cut" '(source|target): .*(silent|port failed)' 90 "$before"
restore_link

before=$(guest_tick A stays)
start_slow_move
on B "kill -9 \$($helper_pid)"
ends "the target's helper dies" "source: the target's xl has closed the connection" 30 "$before"

before=$(guest_tick A stays)
start_slow_move
on A "kill -TERM \$($helper_pid)"
ends "the source is told to stop" 'source: cancelled by the toolstack' 30 "$before"

fast_move A stays --hand-over=late
enter "${XF_LAB_TYPE:-pvh}" 1 128 A B "moved in $MIGRATE_SECONDS s, verified${devices[*]:+ (${devices[*]})}"
