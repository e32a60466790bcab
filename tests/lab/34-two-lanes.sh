#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --vcpus A=2,B=2
# quick: no (CI's hosts have one CPU each; the demo covers lanes there)
# Two lanes at each end, between PV dom0s of two vCPUs: a PVH guest, whose pages both lanes map, and a PV guest, whose
# save both seal and land as a tunnel. There and back.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/lanes.sh
. "$(dirname "$0")/lanes.sh"
begin

MIGRATE_TIMEOUT=900
two_lanes pvh 192
two_lanes pv 192
