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

# With all that guests called web have had there.
volumes_end() {
    local host
    for host in "${HOSTS[@]}"; do
        on "$host" 'vgremove -qqy xflab; losetup -D; rm -rf /root/xflab.pv /root/web* /var/lib/xl-fast/disks; rm -f /root/cd.iso' >/dev/null 2>&1 || true
    done
}
