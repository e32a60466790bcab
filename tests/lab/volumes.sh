# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Hosts with local disks: a volume group xflab of their own, on a file. Sourced after lib.sh.

volumes_begin() {
    local host
    volumes_end
    for host in "${HOSTS[@]}"; do
        # shellcheck disable=SC2016  # expanded on the host
        on "$host" 'truncate -s 200M /root/xflab.pv && vgcreate -q xflab "$(losetup --show -f /root/xflab.pv)" >/dev/null'
    done
}

# make_with_disks TYPE [net=1]: guest web on A, with a logical volume that it writes to all the time, and a file that it does
# not use.
make_with_disks() {
    volumes_begin
    on A 'lvcreate -qqy -Wy -Zy -L 32M -n web xflab && truncate -s 64M /root/web.img && head -c 5M /dev/urandom |
        dd of=/root/web.img bs=1M seek=20 conv=notrunc status=none'
    guest_config web type="$1" memory=128 fill=32 disk=16 "${@:2}" | grep -v '^disk = ' >"$LAB_DIR/web.cfg"
    echo 'disk = ["phy:/dev/xflab/web,xvda,w", "file:/root/web.img,xvdb,w"]' >>"$LAB_DIR/web.cfg"
    on A 'cat >/root/web.cfg' <"$LAB_DIR/web.cfg"
    # shellcheck disable=SC2034,SC2154
    GUEST_WORDS[web]=" disk=16 ${*:2} "
    on A xl create -q /root/web.cfg || fail "the guest does not start"
    wait_tick A web 3 600
    wait_field A web disk 1000 300
}

# With all that guests called web have had there.
volumes_end() {
    local host
    for host in "${HOSTS[@]}"; do
        on "$host" 'vgremove -qqy xflab; losetup -D; rm -rf /root/xflab.pv /root/web* /var/lib/xl-fast/disks; rm -f /root/cd.iso' >/dev/null 2>&1 || true
    done
}
