#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 moves each kind of guest by af_packet, which is the port of both ends in CI)
# AF_XDP between PV dom0s, which have no hugepages: its frames hold no jumbo packets, so a page goes in
# fragments at an MTU of 1500. A PVH guest moves there, and back with af_packet at the one end and AF_XDP at
# the other.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

port() { on "$1" "sed -i 's/^port = .*/port = \"$2\"/' /etc/xen/xl-fast.conf"; }
mtu() { on "$1" ip link set eth1 mtu "$2"; }

MTU=$(on A cat /sys/class/net/eth1/mtu)
# shellcheck disable=SC2317  # called by the trap
restore() {
    local host
    for host in A B; do
        port "$host" eth1 || true
        mtu "$host" "$MTU" || true
    done
}
trap restore EXIT
begin

for host in A B; do
    port "$host" af_xdp:eth1
    mtu "$host" 1500
done
make_guest A xdp
fast_move A xdp
expect_match "the ports" 'its memory from af_xdp:eth1 .* to af_xdp:eth1 ' "$MIGRATE_OUTPUT"
port A eth1
fast_move B xdp
expect_match "the ports" 'its memory from af_xdp:eth1 .* to eth1 ' "$MIGRATE_OUTPUT"
end_clean
