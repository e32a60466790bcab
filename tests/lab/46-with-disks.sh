#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast --with-disks --verify`: a guest that writes to its disk all the time moves with it while it runs, there
# and back: a logical volume, and a file. It goes on where it was, all that it reads is what it wrote, and what is left at
# the source is, to the byte, what it had there when it was suspended; its TCP sessions stand. It flushes, and gives blocks back
# as fstrim does. On the way back only what it has written since goes over. Before
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

# How many bytes of the disk that the guest writes to went over in the last move.
wire_bytes() {
    printf '%s\n' "$MIGRATE_OUTPUT" | sed -n 's/^.*disks: xvda: .*, \([0-9.]* [KMG]*i*B\) over the link.*/\1/p' | tail -n 1 | python3 -c '
number, unit = input().split()
print(int(float(number) * 1024 ** " KMG".index(unit[0].replace("B", " "))))'
}

# What the guest wrote between two of its lines: of three blocks that it touches it has written one and read two.
written_bytes() { # LINE LINE
    echo $(((($(field "$2" disk) - $(field "$1" disk)) / 2 + 16 * ($(field "$2" trims) - $(field "$1" trims))) * 4096))
}

# STOOD: the guest's last line there.
with_disks() { # FROM
    local from=$1 to before
    to=$(other_host "$from")
    before=$(guest_tick "$from" web)
    devices_begin web
    migrate "$from" web --fast --with-disks --verify || fail "xl migrate --fast --with-disks"
    printf '%s\n' "$MIGRATE_OUTPUT" | grep -a 'disks: .* over the link' | while read -r line; do note "$line"; done
    STOOD=$(guest_tick "$from" web)
    expect_goes_on "$to" web "$before"
    devices_end "$to" web "$before"
    note "$PEERS_SAW"
    expect_ge "times that it has given blocks back" 1 "$(field "$(guest_tick "$to" web)" trims)"
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
    make_with_disks "$type" net=1
    synced A
    with_disks A
    enter "$type" 1 128 A B "moved with its disks in $MIGRATE_SECONDS s"
    if ! quick; then
        gone=$STOOD
        with_disks B
        written=$(written_bytes "$gone" "$STOOD")
        # A hash of a block is 16 bytes; a twentieth of them may go over.
        expect_le "bytes of xvda on the way back; the guest has written $written" $((written * 12 / 10 + 32 * 256 * 16 / 20)) "$(wire_bytes)"
    fi
    for host in A B; do destroy_all "$host"; done
done
end_clean
