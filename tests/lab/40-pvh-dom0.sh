#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --dom0 A=pvh,B=pvh
# Kernel bypass: between PVH dom0s `xl migrate --fast` moves a running PVH guest that holds
# 800 MiB of random data (LAB_QUICK: 32) through ports that DPDK drives by itself. Before, meanwhile and after, the NIC
# belongs to uio_pci_generic and no kernel has an interface on it; while it moves, it is the save helper that has the
# device open, and at the target, which attaches the guest's devices early, xl-fast-pump. And too few hugepages are said
# beforehand.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

hugepages() { on B "echo $1 >/proc/sys/vm/nr_hugepages"; }
PAGES=$(on B cat /proc/sys/vm/nr_hugepages)
trap 'hugepages "$PAGES"; stop_watch' EXIT
begin

# Who has the migration NIC: its driver, how many of the kernel's network interfaces are on it, and
# which program has it open.
# shellcheck disable=SC2016  # expanded on the host
OWNER='p=/sys/bus/pci/devices/'$PORT_PCI'
    echo "$(basename "$(readlink $p/driver)")" "$(find $p/ -maxdepth 3 -name net | wc -l)" \
        "$(for i in $(pgrep libxl-save-help; pgrep xl-fast-pump); do readlink /proc/$i/fd/* 2>/dev/null | grep -q uio && cat /proc/$i/comm; done | head -n 1)"'

not_the_kernels() { # WHEN
    local host
    for host in A B; do
        expect_eq "the NIC's driver, and kernel interfaces, $1, on $host" "uio_pci_generic 0" "$(on "$host" "$OWNER" | sed 's/ *$//')"
    done
}

start_watch() {
    local host
    for host in A B; do
        on "$host" "(while sleep 3; do $OWNER; done >/lab/watch) </dev/null >/dev/null 2>&1 & echo \$! >/lab/watch.pid"
    done
}
# shellcheck disable=SC2016
stop_watch() { for host in A B; do on "$host" '[ ! -f /lab/watch.pid ] || kill $(cat /lab/watch.pid); rm -f /lab/watch.pid'; done; }

# A PVH dom0 maps a page some twenty times as slowly as a PV dom0.
quick && MIGRATE_TIMEOUT=900 || MIGRATE_TIMEOUT=3600
if quick; then
    make_guest A large memory=128 fill=32 write=20
else
    make_guest A large memory=1024 fill=800 write=20
fi
not_the_kernels before

# B without the hugepages that its port needs.
hugepages 10
if migrate A large --fast 2>/dev/null; then fail "it went without hugepages"; fi
expect_match "too few hugepages" "^xl-fast: B: port $PORT_PCI: needs 64 free hugepages of 2 MiB, 10 are free" "$MIGRATE_OUTPUT"
hugepages "$PAGES"

start_watch
fast_move A large
stop_watch
for host in A B; do
    expect_eq "all that $host's NIC was meanwhile" "uio_pci_generic 0" "$(on "$host" "cut -d' ' -f1,2 /lab/watch | sort -u")"
    expect_ge "times it was seen open in the save helper, or at the target in the pump, of $host" 1 \
        "$(on "$host" "grep -Ec '$([ "$host" = A ] && echo libxl-save-help || echo xl-fast-pump)' /lab/watch")"
done
not_the_kernels after
