#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/e2e/doctor.sh shows what is said; 40 has a refusal for want of hugepages)
# lab: --dom0 A=pvh,B=pvh
# What 71-wrong-set-ups.sh does, where a PVH dom0 drives the port itself: no hugepages for it, and the port bound to the
# kernel's driver. Each is found at either end, and the command that fixes it does.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fixed.sh
. "$(dirname "$0")/fixed.sh"

WORK=$(mktemp -d)
PAGES=$(on B cat /proc/sys/vm/nr_hugepages)
restore_hosts() {
    rm -rf "$WORK"
    for host in "${HOSTS[@]}"; do on "$host" "echo $PAGES >/proc/sys/vm/nr_hugepages"; done
}
trap restore_hosts EXIT
begin
make_guest A one memory=128
doctor 0

driver() { on "$1" "basename \"\$(readlink /sys/bus/pci/devices/$PORT_PCI/driver)\""; }

for host in B A; do
    note "--- too few hugepages at $host"
    on "$host" 'echo 10 >/proc/sys/vm/nr_hugepages'
    doctor 1
    doctor_names FAIL "port +port $PORT_PCI: needs 64 free hugepages of 2 MiB, 10 are free"
    refused one "$host: port $PORT_PCI: needs 64 free hugepages of 2 MiB"
    fix
    doctor 0

    note "--- the kernel's driver at $host"
    on "$host" "modprobe virtio_net; echo virtio-pci >/sys/bus/pci/devices/$PORT_PCI/driver_override
        echo $PORT_PCI >/sys/bus/pci/devices/$PORT_PCI/driver/unbind; echo $PORT_PCI >/sys/bus/pci/drivers_probe"
    expect_eq "its driver" virtio-pci "$(driver "$host")"
    doctor 1
    doctor_names FAIL "port +port $PORT_PCI: the kernel's driver virtio-pci has it"
    refused one "$host: port $PORT_PCI: the kernel's driver virtio-pci has it"
    fix
    expect_eq "its driver" uio_pci_generic "$(driver "$host")"
    doctor 0
done

before=$(guest_tick A one)
MIGRATE_TIMEOUT=900 migrate A one --fast || fail "xl migrate --fast, all fixed"
expect_goes_on B one "$before"
wait_pass B one
destroy_all B
end_clean
