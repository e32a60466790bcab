#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast` moves a running guest from A to B and back, between hosts with PV dom0s, for each
# kind of guest (HVM with its device model). Each time: it ticks on from where it was with every page
# right, both ends have compared their memory, the source is gone, and the memory travelled over the
# DPDK port at both ends and not through ssh. At the end no memory is missing on either host. LAB_QUICK: one of PV and
# HVM, with a disk and a network card (26); the PV guest's page tables come and go (30).
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/matrix.sh
. "$(dirname "$0")/matrix.sh"
begin

MIGRATE_TIMEOUT=1200 # 768 MiB, and a machine that does other things as well
if quick; then # 15 moves a PVH guest
    cell pv 2 128 there disk=1 net=1 args=xf.churn=1
    cell hvm 1 128 there disk=1 net=1
else
    cells pvh pv hvm
    # The widest that the lab's hosts are asked for.
    cell pvh 4 192
fi
matrix_ends
