#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast --with-disks --verify`: a guest that writes to its disk all the time moves with it while it runs, there
# and back: a logical volume, and a file. It goes on where it was, all that it reads is what it wrote, and what is left at
# the source is, to the byte, what it had there when it was suspended. On the way back only what differs goes over.
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

# make_local TYPE: guest web on A, with both disks.
make_local() {
    volumes_begin
    on A 'lvcreate -qqy -Wy -Zy -L 32M -n web xflab && truncate -s 64M /root/web.img && head -c 5M /dev/urandom |
        dd of=/root/web.img bs=1M seek=20 conv=notrunc status=none'
    guest_config web type="$1" memory=128 fill=32 write=50 disk=16 | grep -v '^disk = ' >"$LAB_DIR/web.cfg"
    echo 'disk = ["phy:/dev/xflab/web,xvda,w", "file:/root/web.img,xvdb,w"]' >>"$LAB_DIR/web.cfg"
    on A 'cat >/root/web.cfg' <"$LAB_DIR/web.cfg"
    GUEST_WORDS[web]=" disk=16 "
    on A xl create -q /root/web.cfg || fail "the guest does not start"
    wait_tick A web 3 600
    wait_field A web disk 1000 300
}

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

quick && types=pvh || types=${XF_LAB_TYPES:-pvh pv hvm}
for type in $types; do
    make_local "$type"
    with_disks A
    enter "$type" 1 128 A B "moved with its disks in $MIGRATE_SECONDS s"
    quick || with_disks B
    for host in A B; do destroy_all "$host"; done
done
end_clean
