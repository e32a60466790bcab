#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests whose memory does not hold still: one that gives memory back and takes it again all the time
# (balloon), one that was given less than it may have (populate on demand for PVH), and one whose page
# tables come and go. Each moves ten times in a row, and is right each time. LAB_QUICK: a PVH guest of
# the first two kinds, once; 10 has one of the third.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

quick && times=1 || times=10

# shuttle NAME KEY: moves the guest on and on. KEY of its tick lines counts what it does meanwhile and
# must have gone on while it was on its way.
shuttle() {
    local name=$1 key=$2 at=A i before did
    for ((i = 1; i <= times; i++)); do
        before=$(guest_tick "$at" "$name")
        migrate "$at" "$name" --fast --verify || fail "$name, $i: xl migrate --fast --verify"
        expect_ge "$name, $i: verified pages" 20000 "$(result target verified_pages)"
        at=$(other_host "$at")
        expect_goes_on "$at" "$name" "$before" 10
        wait_pass "$at" "$name"
        [ -n "$key" ] || continue
        did=$(($(field "$(guest_tick "$at" "$name")" "$key") - $(field "$before" "$key")))
        expect_ge "$name, $i: $key meanwhile" 2 "$did"
    done
    destroy_all "$at"
    note "$name: $((i - 1)) in a row"
}

balloon() {
    make_guest A "balloon-$1" type="$1" memory=160 args="xf.balloon=24"
    shuttle "balloon-$1" balloon
}
churn() {
    make_guest A "churn-$1" type="$1" memory=160 args="xf.churn=1"
    shuttle "churn-$1" churn
}
less() {
    make_guest A "less-$1" type="$1" memory=160 maxmem=224
    shuttle "less-$1" ''
}

if quick; then
    # Both in one guest.
    make_guest A balloon memory=128 maxmem=192 args="xf.balloon=24"
    shuttle balloon balloon
else
    for type in pvh pv; do
        balloon "$type"
        less "$type"
        churn "$type"
    done
fi
end_clean
