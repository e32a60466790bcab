#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --dom0 A=pvh,B=pvh
# quick: no (40 moves a guest between PVH dom0s)
# Between PVH dom0s, by kernel bypass, there and back: each kind of guest, or what stock says where a PVH
# dom0 cannot host it.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/matrix.sh
. "$(dirname "$0")/matrix.sh"
begin

MIGRATE_TIMEOUT=3600 # emulated, a PVH dom0 maps pages slowly
# Each number of vCPUs and each size once for each kind: at these hosts' speed all pairs are two hours.
cell pvh 1 192
cell pvh 2 768
cell hvm 1 192
cell hvm 2 768
cell_if_stock pv 1 192
matrix_ends
