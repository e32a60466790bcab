#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --release B=trixie
# `xl migrate --fast` moves a running PVH, PV and HVM guest from Debian 12 (Xen 4.17, DPDK 22.11) to
# Debian 13 (Xen 4.20, DPDK 24.11). The way back is refused in one line before the guest is touched, as
# 51-debian-13-to-12.sh shows with reason.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

# no_way_back NAME REGEX: --fast is refused with a line that matches, and nothing has changed.
no_way_back() {
    local name=$1 before
    before=$(guest_tick B "$name")
    if migrate B "$name" --fast 2>/dev/null; then
        fail "--fast takes $name back to an older Xen"
    fi
    expect_match "the way back" "^xl-fast: $2" "$MIGRATE_OUTPUT"
    expect_eq "lines" 1 "$(printf '%s\n' "$MIGRATE_OUTPUT" | wc -l)"
    expect_eq "guests on A" "" "$(domains A)"
    wait_tick B "$name" $(($(field "$before" tick) + 2)) 120
    on B xl destroy "$name"
}

# LAB_QUICK: one kind. What a PV or HVM guest has more, 10 moves between hosts of one release.
types=(pvh)
memory=128
quick || { types+=(pv hvm); memory=192; }
for type in "${types[@]}"; do
    make_guest A "to13-$type" type="$type" memory="$memory"
    fast_move A "to13-$type"
    case $type in
    pv) no_way_back "to13-$type" "B: domain 'to13-pv' is a PV guest, and Xen here has no shadow paging" ;;
    *) no_way_back "to13-$type" "A: runs Xen 4.17, older than the source's 4.20" ;;
    esac
done
