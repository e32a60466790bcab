#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --dom0 A=pvh,B=pvh --vcpus A=2,B=2 --nic A=vmxnet3,B=vmxnet3
# quick: no (CI's hosts have one CPU each; the demo covers lanes there)
# Two lanes at each end, between PVH dom0s of two vCPUs whose port bypasses the kernel: there, mapping the guest's
# pages is what costs most. There and back, and beside it the same guest by one lane.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/lanes.sh
. "$(dirname "$0")/lanes.sh"
hugepages() { for host in A B; do on "$host" "echo $1 >/proc/sys/vm/nr_hugepages"; done; }
PAGES=$(on A cat /proc/sys/vm/nr_hugepages)
trap 'hugepages "$PAGES"' EXIT
begin

hugepages 100 # a port of two queues needs 96
MIGRATE_TIMEOUT=1800 # emulated, a PVH dom0 maps pages slowly
two_lanes pvh 128
