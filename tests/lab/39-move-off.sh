#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (46 moves local disks, e2e/move-off this way)
# `xl-fast move-off`: an HVM guest that is shut off, with a logical volume, a file that is a qcow2 image and an ISO image,
# goes to B, runs there and writes, and comes back. Each time both disks are the same, to the byte, as what was shut off,
# and the guest starts from its configuration; on the way back only what was written goes over. LAB_QUICK: there alone, a
# PVH guest without the ISO image, which runs while most of it is copied. Before that what real Xen must refuse: the
# guest runs, another one has its disk.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/volumes.sh
. "$(dirname "$0")/volumes.sh"

trap volumes_end EXIT
begin
volumes_begin
for host in A B; do
    on "$host" 'head -c 3M /dev/zero | tr "\0" x >/root/cd.iso'
done
on A 'lvcreate -qqy -Wy -Zy -L 32M -n web xflab && qemu-img create -q -f qcow2 /root/web.qcow2 64M
    qemu-io -c "write -P 7 1M 5M" -c "write -P 9 40M 2M" /root/web.qcow2 >/dev/null'

# Its disk is the guest's that is shut off and started again: guestcheck writes all of it anew each time.
quick && type=pvh cd='' || type=hvm cd=', "file:/root/cd.iso,hdc:cdrom,r"'
guest_config web type="$type" memory=128 fill=16 >"$LAB_DIR/web.cfg"
sed -i 's/^extra = "\(.*\)"$/extra = "\1 xf.disk=4"/' "$LAB_DIR/web.cfg"
cat >>"$LAB_DIR/web.cfg" <<CFG
disk = ["phy:/dev/xflab/web,xvda,w", "format=qcow2,vdev=xvdb,access=rw,target=/root/web.qcow2"$cd]
CFG
on A 'cat >/root/web.cfg' <"$LAB_DIR/web.cfg"

# What both disks hold, in a line.
held() { # HOST [END]
    on "$1" "dd if=/dev/xflab/web${2:-} bs=1M iflag=direct status=none | sha256sum; sha256sum </root/web.qcow2${2:-}" | tr -d ' \n-'
}

start() { # HOST
    local began=$SECONDS
    on "$1" xl create -q /root/web.cfg || fail "the guest does not start on $1"
    wait_tick "$1" web 3 600
    wait_disk "$1"
    note "the guest runs on $1 ($((SECONDS - began)) s): $(guest_tick "$1" web)"
    expect_eq "its verdict" 1 "$(field "$(guest_tick "$1" web)" ok)"
}

# Until it has read back what it wrote.
wait_disk() {
    local i
    for ((i = 0; i < 60; i++)); do
        [ "$(field "$(guest_tick "$1" web)" disk)" -lt 100 ] || return 0
        sleep 2
    done
    fail "the guest's disk on $1: $(guest_tick "$1" web)$(console_tail "$1" web)"
}

move_off() { # FROM [OPTION...]
    local from=$1 to status=0
    to=$(other_host "$from")
    shift
    SAID=$(ON_TIMEOUT=900 on "$from" xl-fast move-off "$@" /root/web.cfg "$to" 2>&1) || status=$?
    printf '%s\n' "$SAID" | sed 's/^/   | /'
    return $status
}

start A
if move_off A; then fail "a guest that runs was moved off"; fi
expect_match "the reason" "guest 'web' is there, as domain" "$SAID"
on A 'sed "s/^name = .*/name = \"other\"/" /root/web.cfg >/root/web-other.cfg'
if SAID=$(on A xl-fast move-off /root/web-other.cfg B 2>&1); then fail "the disks of a guest that runs were moved off"; fi
expect_match "the reason" "guest 'web' has /dev/xflab/web" "$SAID"
on A xl destroy web

there_and_check() { # FROM
    local from=$1 to before
    to=$(other_host "$from")
    before=$(held "$from")
    move_off "$from" --verify || fail "xl-fast move-off from $from"
    expect_eq "both disks on $to, beside what was left on $from" "$before $before" "$(held "$to") $(held "$from" .xlfast-left)"
    expect_eq "configurations on $from" 0 "$(on "$from" 'ls /root/web.cfg 2>/dev/null | wc -l')"
    expect_match "what $from says" "^web has gone to $to" "$(on "$from" xl-fast disks)"
    start "$to"
    on "$to" xl destroy web
}
# A guest that runs: it is off for a moment alone, and what it wrote meanwhile has arrived.
while_it_runs() { # FROM
    local from=$1 to
    to=$(other_host "$from")
    start "$from"
    move_off "$from" --shutdown --start --verify || fail "xl-fast move-off --shutdown from $from"
    expect_match "how long it was off" "^it was off for " "$SAID"
    expect_eq "guests on $from and $to" ", web" "$(domains "$from"), $(domains "$to")"
    # It has not written to this one since.
    expect_eq "the image on $to" "$(on "$from" 'sha256sum </root/web.qcow2.xlfast-left')" "$(on "$to" 'sha256sum </root/web.qcow2')"
    wait_tick "$to" web 3 600
    wait_disk "$to"
    expect_eq "its verdict" 1 "$(field "$(guest_tick "$to" web)" ok)"
    on "$to" xl destroy web
}

if quick; then
    while_it_runs A
else
    there_and_check A
fi
if ! quick; then
    there_and_check B
    # Of 32 MiB the guest has written to 4, and to no other block of either disk.
    expect_match "what was there already" 'xvda .*there were 2[89].* MiB' "$SAID"
    while_it_runs A
fi
end_clean
