#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (48 makes copies on one host and on two)
# `xl-fast clone`: of a guest that runs on A, whose TCP sessions stand, a copy runs on B: every page right, with its own
# name, UUID and MAC, on no bridge. A copy that has not said that it is told apart is not connected; then it is, and answers
# by its own address beside the guest it was cloned from. With PVH and HVM guests (XF_LAB_TYPES). A guest with a logical
# volume and a file that it writes to all the time: its copy goes on with copies of them. Then what breaks it:
# kills at A and B, and a cut of ssh, at random moments: the guest goes on at A, and B has a whole copy or nothing.
# LAB_QUICK: a PVH guest, without the faults.   XF_LAB_TIMES=N: so many faults (20)
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/clones.sh
. "$(dirname "$0")/clones.sh"
# shellcheck source=tests/lab/volumes.sh
. "$(dirname "$0")/volumes.sh"

trap volumes_end EXIT
begin

quick && types=pvh || types=${XF_LAB_TYPES:-pvh hvm}
for type in $types; do
    make_guest A web type="$type" memory=128 net=1
    devices_begin web
    sleep 3
    before=$(guest_tick A web)

    # Held back before it can say anything.
    clone web B --name held --paused --verify || fail "xl-fast clone --paused"
    clone_says | grep -aE '^xl-fast: (source|target|web)' | while read -r line; do note "$line"; done
    expect_eq "guests on B" held "$(domains B)"
    expect_eq "the held copy's bridge, and its frames" 0 "$(card_of B held | xargs)"
    status=0
    said=$(on B xl-fast clone --connect held 2>&1) || status=$?
    expect_eq "the status of connecting it too early" 1 "$status"
    expect_match "and why" 'has not said that it is told apart' "$said"
    on B xl destroy held

    before_copy=$(guest_tick A web)
    clone web B --verify || fail "xl-fast clone"
    expect_match "how long the guest stood" '^xl-fast: web: downtime [0-9]+ ms' "$(clone_says)"
    expect_copy B web web-1 "$before_copy"
    expect_eq "the copy's number, as its guest was told" 1 "$(field "$(guest_tick B web-1)" copy)"
    expect_eq "the copy's bridge, and its frames" 0 "$(card_of B web-1 | xargs)"
    [ "$(mac_of A web)" != "$(mac_of B web-1)" ] || fail "both have one MAC"
    expect_goes_on A web "$before"
    expect_eq "guests on A" web "$(domains A)"

    on B xl-fast clone --connect web-1
    expect_match "the copy's bridge now" '^br0 ' "$(card_of B web-1)"
    answers 10.92.0.151 || fail "the copy does not answer by its own address"
    answers "$(guest_address web)" || fail "the guest does not answer any more"
    expect_match "the lock of its port" 'locked on' "$(on B "bridge -d link show dev vif\$(xl domid web-1).0")"
    devices_end A web "$before"
    note "the guest's sessions: $PEERS_SAW"
    expect_eq "the guest's own verdict" 1 "$(field "$(guest_tick A web)" ok)"
    for host in A B; do destroy_all "$host"; done
done

# ---- disks ---------------------------------------------------------------------------------------------

clone_with_disks() {
    local before
    make_with_disks pvh net=1
    GUEST_WORDS[web-1]=" disk=16 "
    expect_match "without a word of its disks" 'it has disks .xvda.: say what its copy is to have' "$(on A xl-fast clone web B 2>&1 || true)"
    before=$(guest_tick A web)
    clone web B --disks copy --verify || fail "xl-fast clone --disks copy"
    note "$(clone_says | grep -a 'disks: ' | tail -n 1)"
    note "$(clone_says | grep -a '^xl-fast: web: downtime')"
    expect_copy B web web-1 "$before"
    devices_end B web-1 "$before"
    expect_goes_on A web "$before"
    wait_field A web disk $(($(field "$(guest_tick A web)" disk) + 2000)) 240
    expect_eq "the guest's own verdict" 1 "$(field "$(guest_tick A web)" ok)"
    expect_match "what B says" '^web-1 has come from A' "$(on B xl-fast disks)"
    expect_eq "what A says of it" "" "$(on A xl-fast disks | grep web || true)"
    # Nobody has written to this one.
    expect_eq "the file of the copy" "$(on A 'sha256sum </root/web.img')" "$(on B 'sha256sum </root/web.img.web-1')"
    # Once more, onto the same disks: only what differs. Of the file, to which nobody else writes, that is 1 %.
    on B xl destroy web-1
    # shellcheck disable=SC2016  # expanded on the host
    on A 'for i in $(seq 0 163); do head -c 4096 /dev/urandom | dd of=/root/web.img bs=4096 seek=$((i * 100 + i % 90)) conv=notrunc status=none; done; sync'
    before=$(guest_tick A web)
    clone web B --disks copy --replace || fail "xl-fast clone --replace"
    expect_match "what went over of the file, of 64 MiB" '^xl-fast: disks: xvdb: 64(\.0)? MiB in .*, [0-9.]+ (KiB|kB) over the link, there were 63' "$(clone_says)"
    expect_copy B web web-1 "$before"
    expect_eq "the file of the new copy" "$(on A 'sha256sum </root/web.img')" "$(on B 'sha256sum </root/web.img.web-1')"
    for host in A B; do destroy_all "$host"; done
}
quick || clone_with_disks

# A disk of the device model, which stops while the guest stands and goes on with it; and a generation id. (Of a guest's Xen
# disks QEMU 7.2 locks none: hw/block/xen-block.c turns that off.)
clone_with_device_model() {
    local blocks
    on A 'qemu-img create -q -f qcow2 /root/web.qcow2 64M'
    guest_config web type=hvm memory=128 disk=16 net=1 | grep -v '^disk = ' >"$LAB_DIR/web.cfg"
    printf '%s\n' 'disk = ["format=qcow2,vdev=xvda,access=w,target=/root/web.qcow2"]' 'ms_vm_genid = "generate"' >>"$LAB_DIR/web.cfg"
    on A 'cat >/root/web.cfg' <"$LAB_DIR/web.cfg"
    GUEST_WORDS[web]=" disk=16 net=1 "
    on A xl create -q /root/web.cfg || fail "the guest does not start"
    wait_tick A web 3 600
    wait_field A web disk 1000 300
    clone web B --disks none --verify || fail "xl-fast clone of a guest with a device model's disk"
    blocks=$(field "$(guest_tick A web)" disk)
    wait_field A web disk $((blocks + 2000)) 240
    expect_eq "the guest's own verdict" 1 "$(field "$(guest_tick A web)" ok)"
    expect_match "the copy's number, as its guest was told" '^1$' "$(field "$(guest_tick B web-1)" copy)"
    note "generation ids: $(xenstore_of A web platform/generation-id) and $(xenstore_of B web-1 platform/generation-id)"
    [ "$(xenstore_of A web platform/generation-id)" != "$(xenstore_of B web-1 platform/generation-id)" ] ||
        fail "both have one generation id"
    for host in A B; do destroy_all "$host"; done
    expect_match "the image, whole" 'No errors were found' "$(on A qemu-img check /root/web.qcow2 2>&1)"
}
quick || clone_with_device_model

# ---- faults --------------------------------------------------------------------------------------------

# shellcheck disable=SC2016  # expanded on the host
FAULTS=(
    "A: xl-fast-clone is killed|A|pkill -9 -x xl-fast-clone"
    "A: xl-fast and its program are killed|A|pkill -9 -f \"[x]l-fast clone\"; pkill -9 -x xl-fast-clone"
    "A: the save helper is killed|A|pkill -9 -f \"[l]ibxl-save-helper --save\""
    "A: ssh is cut|A|pkill -9 -f \"^ssh .*xl-fast-receive\""
    "B: the receiving xl is killed|B|pkill -9 -f \"[x]l migrate-receive\""
    "B: the restoring helper is killed|B|pkill -9 -f \"[l]ibxl-save-helper --restore\""
)

if ! quick; then
    clone_faults clone-faults B
fi
end_clean
