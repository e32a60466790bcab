#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (the unit test test_xen_readers has each case; this one shows Xen's part)
# While a guest moves by --fast, plain xl migrate of the same guest begins, as it can. It resets the dirty log, so
# that the move would miss pages: the move notices and fails, and leaves the log to the other, whose guest is right.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

# On the host, in the background: its output and its status in /lab/OUT.
start() { # OUT COMMAND
    on A "($2 >/lab/$1 2>&1; echo \"status \$?\" >>/lab/$1) </dev/null >/dev/null 2>&1 &"
}
wait_line() { # OUT REGEX SECONDS
    ON_TIMEOUT=$(($3 + 20)) on A "i=0; until tr '\r' '\n' </lab/$1 | grep -aEq '$2'; do i=\$((i + 1)); [ \$i -lt $3 ] || exit 1; sleep 1; done" ||
        fail "/lab/$1: expected '$2' within $3 s, saw: $(on A "tr '\r' '\n' </lab/$1 | tail -n 30")"
}

# The helper of plain xl, past the shim.
plain="XL_FAST= /usr/sbin/xl migrate"

second() { # TYPE WORDS
    local name=second-$1 before at
    make_guest A "$name" type="$1" memory=128 write=200
    before=$(guest_tick A "$name")

    # At this rate its memory is under way for most of a minute.
    start fast.out "XL_FAST_VERBOSE=1 xl migrate --fast --bandwidth 20M $name B"
    wait_line fast.out 'source: connected' 120
    sleep 8
    # By another name at the target, where the move has its own.
    on A "sed 's/^name = .*/name = \"$name-2\"/' /lab/$name.cfg >/lab/$name-2.cfg"
    start plain.out "$plain -C /lab/$name-2.cfg $name B"
    wait_line fast.out '^status [1-9]' 300
    note "$(on A "tr '\r' '\n' </lab/fast.out | grep -a '^xl-fast: source: .*another save'")"
    expect_match "the move, $1" "$2" "$(on A "tr '\r' '\n' </lab/fast.out")"
    wait_line plain.out '^status' 400
    expect_match "the second, $1" '^status 0$' "$(on A "tail -n 1 /lab/plain.out")"
    at="$name-2"
    expect_eq "guests on B" "$at" "$(domains B)"
    note "the guest is at B: $(guest_tick B "$at")"
    expect_eq "the guest's wrong pages" 0 "$(field "$(guest_tick B "$at")" bad)"
    destroy_all B
    destroy_all A
}

second pvh 'reads its dirty log'
second pv 'another save or migration of the guest has'
end_clean
