#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast --with-disks --verify`: a guest that writes to its disk all the time moves with it while it runs, there
# and back: a logical volume, and a file. It goes on where it was, all that it reads is what it wrote, and what is left at
# the source is, to the byte, what it had there when it was suspended. On the way back only what differs goes over. Before
# that B is synced: while the guest runs; and while it is paused, when both hosts have the same, to the byte. The move there
# goes by that copy, as --dry-run says.
# With each kind of guest (XF_LAB_TYPES). LAB_QUICK: a PVH guest, there alone.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/matrix.sh
. "$(dirname "$0")/matrix.sh"
# shellcheck source=tests/lab/volumes.sh
. "$(dirname "$0")/volumes.sh"

trap volumes_end EXIT
begin

with_disks() { # FROM
    local from=$1 to before
    to=$(other_host "$from")
    before=$(guest_tick "$from" web)
    migrate "$from" web --fast --with-disks --verify || fail "xl migrate --fast --with-disks"
    note "$(printf '%s\n' "$MIGRATE_OUTPUT" | grep -a 'disks: ' | tail -n 1)"
    expect_goes_on "$to" web "$before"
    devices_end "$to" web "$before"
    expect_eq "guests on $from" "" "$(domains "$from")"
    expect_match "what $from says" "^web has gone to $to" "$(on "$from" xl-fast disks)"
    expect_match "what $to says" "^web has come from $from" "$(on "$to" xl-fast disks)"
    # Nobody has written to this one.
    expect_eq "the file on $to" "$(on "$from" 'sha256sum </root/web.img.xlfast-left')" "$(on "$to" 'sha256sum </root/web.img')"
}

# What both disks hold on that host, past the page cache.
held() { # HOST END
    on "$1" "dd if=/dev/xflab/web$2 bs=1M iflag=direct status=none | sha256sum; sha256sum </root/web.img$2" | tr -d ' \n-'
}

synced() { # FROM
    local from=$1 to said before
    to=$(other_host "$from")
    before=$(guest_tick "$from" web)
    said=$(ON_TIMEOUT=900 on "$from" xl-fast disks sync --verify web "$to" 2>&1) || fail "xl-fast disks sync: $said"
    expect_match "the sync" "^web is synced to $to: .* the guest stood for " "$said"
    wait_tick "$from" web "$(($(field "$before" tick) + 3))" 300
    expect_eq "its verdict" 1 "$(field "$(guest_tick "$from" web)" ok)"
    # One that is paused asks nothing, and stays paused: each pause of Xen's counts.
    on "$from" xl pause web
    said=$(ON_TIMEOUT=900 on "$from" xl-fast disks sync web "$to" 2>&1) || fail "xl-fast disks sync of a paused guest: $said"
    expect_eq "both disks on $to, and on $from" "$(held "$from" "")" "$(held "$to" .xlfast-incoming)"
    expect_match "the paused guest" "--p---" "$(on "$from" xl list web)"
    on "$from" xl unpause web
    expect_match "what $from says" "^web is synced to $to" "$(on "$from" xl-fast disks)"
    expect_match "what $to says" "^web is synced from" "$(on "$to" xl-fast disks)"
    said=$(on "$from" xl migrate --fast --dry-run --with-disks web "$to" 2>&1) || fail "--dry-run --with-disks: $said"
    expect_match "what a move would send" "xvda .*only what differs from the copy of .*; to xflab, which has" "$said"
}

quick && types=pvh || types=${XF_LAB_TYPES:-pvh pv hvm}
for type in $types; do
    make_with_disks "$type"
    synced A
    with_disks A
    enter "$type" 1 128 A B "moved with its disks in $MIGRATE_SECONDS s"
    quick || with_disks B
    for host in A B; do destroy_all "$host"; done
done
end_clean
