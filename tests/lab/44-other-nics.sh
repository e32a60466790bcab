#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (40 moves by kernel bypass over virtio-net)
# lab: --dom0 A=pvh,B=pvh --nic A=e1000e,B=vmxnet3
# Kernel bypass over the other NICs that the emulator has, each of which DPDK drives by itself: an Intel 82574L
# (net_e1000_em) at A and VMware's (net_vmxnet3) at B, with jumbo frames. A PVH guest moves there and back.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

declare -A ID=([A]=0x8086:0x10d3 [B]=0x15ad:0x07b0)
for host in "${HOSTS[@]}"; do
    dir=/sys/bus/pci/devices/$PORT_PCI
    expect_eq "the NIC of $host" "${ID[$host]}" "$(on "$host" "cat $dir/vendor $dir/device" | paste -sd :)"
    expect_eq "its driver" uio_pci_generic "$(on "$host" "basename \"\$(readlink $dir/driver)\"")"
done

MIGRATE_TIMEOUT=1200 # a PVH dom0 maps a page some twenty times as slowly as a PV dom0
make_guest A nics memory=128 fill=32 write=20
for from in A B; do
    fast_move "$from" nics
    printf '%s\n' "$MIGRATE_OUTPUT" | grep -aE 'its memory from|MTU|mtu' | while read -r line; do note "$line"; done
done
end_clean
