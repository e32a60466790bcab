#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (50 shows the refusal, this the reason)
# lab: --release B=trixie
# Why `xl migrate --fast` refuses the way from Debian 13 (Xen 4.20) back to Debian 12 (Xen 4.17): plain
# xl migrate fails there with each kind of guest. Should one of them go one day, --fast could take it too.
# After every failure the guest runs on.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
begin

for type in pvh pv hvm; do
    make_guest B "back-$type" type="$type" memory=96
    before=$(guest_tick B "back-$type")
    if migrate B "back-$type" 2>/dev/null; then
        fail "plain xl migrate moves a $type guest to an older Xen: --fast need not refuse it"
    fi
    case $type in
    pv) reason='Failed to enable logdirty' ;;
    *) reason='Unable to restore HVM context' ;;
    esac
    expect_match "plain xl migrate, $type" "$reason" "$MIGRATE_OUTPUT"
    expect_eq "guests on A" "" "$(domains A)"
    expect_goes_on B "back-$type" "$before"
    on B xl destroy "back-$type"
done
