#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each option of stock xl migrate does with --fast what it does without: -p (left paused), -e (the
# receiver does not wait for the guest's end), -D (keeps the domid), -C (another configuration),
# --debug (memory compared at the end); and a guest that is paused is not moved by either, for the same
# reason.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

make_guest A opts memory=128
at=A

# try [stock|fast] OPTIONS...: to the other host, which becomes `at`; TICK is what the guest said before.
try() {
    local how=$1
    shift
    TICK=$(guest_tick "$at" opts)
    [ "$how" = stock ] || set -- --fast "$@"
    migrate "$at" opts "$@" || fail "xl migrate $*"
    at=$(other_host "$at")
}

state() { on "$1" xl list | awk -v n="$2" '$1 == n { print $5 }'; }

# The process that stays with a guest to look after its end, which -e does not want. One that unmaps the guest's memory
# late has the same words.
# shellcheck disable=SC2016  # expanded on the host
watchers() { asked "$1" 'all=$(ps -eo comm=,args=) && { printf "%s\n" "$all" | grep -v "^xl-fast-linger" | grep -c "[x]l migrate-receive" || true; }'; }

left_paused() { # HOW
    local paused
    expect_match "$1 -p: the guest's state" '^--p---$' "$(state "$at" opts)"
    paused=$(guest_tick "$at" opts)
    sleep 3
    expect_eq "$1 -p: what a paused guest says" "$paused" "$(guest_tick "$at" opts)"
    on "$at" xl unpause opts
    expect_goes_on "$at" opts "$TICK"
}

# For -C, to each by stock and by --fast another; libxl does not name its default, destroy.
declare -A ON_REBOOT=([stock]=coredump-destroy [fast]=preserve)
other_configuration() { # HOW
    guest_config opts memory=128 "conf=on_reboot = \"${ON_REBOOT[$1]}\"" | on "$at" "cat >/lab/other-$1.cfg"
}
has_other_configuration() { # HOW
    expect_match "$1 -C: the configuration" "${ON_REBOOT[$1]//-/_}" "$(on "$at" xl list -l opts | grep on_reboot)"
}
nobody_looks_after_it() { # HOW
    expect_eq "$1 -e: processes that look after the guest" 0 "$(watchers "$at")"
}
one_looks_after_it() {
    expect_eq "without -e: processes that look after the guest" 1 "$(watchers "$at")"
}
all_was_compared() {
    expect_ge "--debug: pages that were compared" 20000 "$(result target verified_pages)"
}
# libxl does not use a domid again for a minute, and the guest may have been there before.
forget_domids() { on "$(other_host "$at")" rm -f /run/xen/domid-history; }

# -D is tried without -C: with it the domid was seen to change (stock was not asked).
if quick; then
    domid=$(on "$at" xl domid opts)
    forget_domids
    try fast -p -D --debug
    expect_eq "fast -D: the domid" "$domid" "$(on "$at" xl domid opts)"
    all_was_compared
    one_looks_after_it
    left_paused fast

    other_configuration fast
    try fast -e -C /lab/other-fast.cfg
    nobody_looks_after_it fast
    has_other_configuration fast
    expect_goes_on "$at" opts "$TICK"
    wait_pass "$at" opts
    end_clean
    exit
fi

# Stock is asked too, so that what is expected of --fast is what stock does.
hows=(stock fast)
for how in "${hows[@]}"; do
    try "$how" -p
    left_paused "$how"
done
for how in "${hows[@]}"; do
    try "$how" -e
    nobody_looks_after_it "$how"
    expect_goes_on "$at" opts "$TICK"
done
for how in "${hows[@]}"; do
    domid=$(on "$at" xl domid opts)
    forget_domids
    try "$how" -D
    expect_eq "$how -D: the domid" "$domid" "$(on "$at" xl domid opts)"
    expect_goes_on "$at" opts "$TICK"
done
for how in "${hows[@]}"; do
    other_configuration "$how"
    try "$how" -C "/lab/other-$how.cfg"
    has_other_configuration "$how"
    expect_goes_on "$at" opts "$TICK"
done
try fast
one_looks_after_it
expect_goes_on "$at" opts "$TICK"

try fast --debug
all_was_compared
expect_goes_on "$at" opts "$TICK"
wait_pass "$at" opts

# libxl asks a guest to suspend and a paused one cannot: it waits a minute for it. --fast says so before.
on "$at" xl pause opts
for how in --fast ''; do
    # shellcheck disable=SC2086  # no word where there is none
    migrate "$at" opts $how 2>/dev/null && fail "a paused guest was moved"
    expect_match "'$how' a paused guest" "guest didn't acknowledge suspend|domain 'opts' is paused" "$MIGRATE_OUTPUT"
    expect_match "'$how' the guest's state" '^--p---$' "$(state "$at" opts)"
    expect_eq "guests on $(other_host "$at")" "" "$(domains "$(other_host "$at")")"
done
TICK=$(guest_tick "$at" opts)
on "$at" xl unpause opts
expect_goes_on "$at" opts "$TICK"
end_clean
